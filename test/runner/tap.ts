import { SKIP_MARK } from '../support/require-tool.ts';

export interface TestResult {
  readonly title: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** When its line came, in milliseconds: the lines below it come with the next result. */
  readonly at: number;
  /** The lines below the result: what the test logged, and the error with its particulars. */
  readonly detail: readonly string[];
}

/**
 * Reads the Test Anything Protocol, version 13, as AVA writes it: line by line in, results out. A result is complete
 * when the next one, or the plan, begins.
 */
export class TapReader {
  readonly #onResult: (result: TestResult) => void;
  readonly #now: () => number;
  #current: { title: string; ok: boolean; skip: boolean; at: number; detail: string[] } | undefined;
  /** Whether the plan line came: without it the run was cut short. */
  complete = false;

  constructor(onResult: (result: TestResult) => void, now = () => performance.now()) {
    this.#onResult = onResult;
    this.#now = now;
  }

  line(line: string): void {
    const match = /^(not )?ok \d+ - (.*?)( # (SKIP|TODO))?$/.exec(line);
    if (match !== null) {
      this.end();
      this.#current = { title: match[2]!, ok: match[1] === undefined, skip: match[4] !== undefined, at: this.#now(), detail: [] };
    } else if (/^1\.\.\d+$/.test(line)) {
      this.end();
      this.complete = true;
    } else {
      this.#current?.detail.push(line);
    }
  }

  end(): void {
    if (this.#current === undefined) return;
    const { title, ok, skip, at, detail } = this.#current;
    this.#current = undefined;
    const skipped = skip || (ok && detail.some((line) => line.startsWith(`#   ${SKIP_MARK}`)));
    this.#onResult({ title, outcome: skipped ? 'skipped' : ok ? 'passed' : 'failed', at, detail });
  }
}
