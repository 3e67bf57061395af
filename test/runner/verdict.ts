import type { TestResult } from './tap.ts';

/** So many failures are said again at the end. */
const MOST_TOLD_AGAIN = 20;
/** Lines of each. */
const LINES_TOLD_AGAIN = 40;
/** One test that passes only on its second run may be the machine's fault. More are the program's. */
const MOST_FLAKY = 1;

/** What a run comes to: each test is counted once, as what it was in the end. */
export class Verdict {
  readonly #counts = { passed: 0, failed: 0, skipped: 0 };
  readonly #failures: Pick<TestResult, 'title' | 'detail'>[] = [];
  readonly #flaky: Pick<TestResult, 'title' | 'detail'>[] = [];

  get passed(): number {
    return this.#counts.passed;
  }

  add(result: Pick<TestResult, 'title' | 'outcome' | 'detail'>): void {
    this.#counts[result.outcome]++;
    if (result.outcome === 'failed') this.#failures.push(result);
  }

  /** A test that failed like this, and passed when it was run again. */
  addFlaky(result: Pick<TestResult, 'title' | 'detail'>): void {
    this.#counts.passed++;
    this.#flaky.push(result);
  }

  /** What failed is said again: of a long run, often only the end is kept. The last line counts. */
  lastLines(): string[] {
    const { passed, failed, skipped } = this.#counts;
    return [
      ...toldAgain('what failed', this.#failures),
      ...toldAgain('what passed on its second run only', this.#flaky),
      ...(this.#flaky.length > 0 ? [`flaky: ${this.#flaky.map(({ title }) => title).join('; ')}`] : []),
      ...(this.#flaky.length > MOST_FLAKY
        ? [`failed: ${this.#flaky.length} tests passed only on their second run, and ${MOST_FLAKY} may`]
        : []),
      `${passed} passed, ${failed} failed, ${skipped} skipped`,
    ];
  }

  /** 0 when nothing failed; `nothingSkipped` says that a skipped test is one, too. */
  exitCode({ nothingSkipped }: { nothingSkipped: boolean }): 0 | 1 {
    const { failed, skipped } = this.#counts;
    return failed > 0 || this.#flaky.length > MOST_FLAKY || (nothingSkipped && skipped > 0) ? 1 : 0;
  }
}

function toldAgain(heading: string, results: readonly Pick<TestResult, 'title' | 'detail'>[]): string[] {
  const told = results
    .slice(0, MOST_TOLD_AGAIN)
    .flatMap(({ title, detail }) => [`  ✘ ${title}`, ...detail.slice(0, LINES_TOLD_AGAIN).map((line) => `      ${line}`)]);
  return told.length > 0 ? [heading, ...told] : [];
}
