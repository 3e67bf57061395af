import { errorCode, LayerswarmError } from '../errors.ts';

/** stdout carries results, stderr everything else. With `--json`, stdout carries exactly one JSON document. */
export class Output {
  readonly #json: () => boolean;

  constructor(json: () => boolean) {
    this.#json = json;
  }

  get json(): boolean {
    return this.#json();
  }

  /** The result of a command: the document with `--json`, else what `text` makes of it. */
  result<T>(document: T, text: (document: T) => string): void {
    const body = this.json ? JSON.stringify(document, undefined, 2) : text(document);
    if (body !== '') process.stdout.write(body.endsWith('\n') ? body : `${body}\n`);
  }

  /** A line for the person, on stderr. */
  diagnostic(line: string): void {
    process.stderr.write(`layerswarm: ${line}\n`);
  }

  error(error: unknown, debug: boolean): void {
    const unexpected = !(error instanceof LayerswarmError) && errorCode(error) === 'internal';
    const message = error instanceof Error ? error.message : String(error);
    this.diagnostic(`${unexpected ? 'internal error: ' : ''}${message.replace(/\s*\n\s*/g, ' ')}${unexpected && !debug ? ' (--debug shows where)' : ''}`);
    if (debug && error instanceof Error) process.stderr.write(`${stackWithCauses(error)}\n`);
  }
}

function stackWithCauses(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackWithCauses(error.cause)}` : own;
}
