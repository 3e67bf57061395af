import { errorCode, LayerswarmError } from '../errors.ts';

/** stdout carries results, stderr everything else. With `--json`, stdout carries exactly one JSON document. */
export class Output {
  readonly #json: () => boolean;
  #hasWritten = false;

  constructor(json: () => boolean) {
    this.#json = json;
  }

  get json(): boolean {
    return this.#json();
  }

  /** The result of a command: the document with `--json`, else what `text` makes of it. */
  result<T>(document: T, text: (document: T) => string): void {
    const body = this.json ? JSON.stringify(document, undefined, 2) : text(document);
    if (body !== '') this.#write(body.endsWith('\n') ? body : `${body}\n`);
  }

  /** One document goes there, whatever comes first. */
  #write(text: string): void {
    if (this.json && this.#hasWritten) return;
    this.#hasWritten = true;
    process.stdout.write(this.json ? text : escapeControls(text));
  }

  /** A line for the person, on stderr. */
  diagnostic(line: string): void {
    process.stderr.write(`layerswarm: ${escapeControls(line)}\n`);
  }

  /** With `--json` the error is the document. */
  error(error: unknown, debug: boolean): void {
    if (this.json) {
      const detail = error instanceof LayerswarmError ? error.detail : undefined;
      this.#write(
        `${JSON.stringify({ error: { code: errorCode(error), message: error instanceof Error ? error.message : String(error), ...(detail === undefined || Object.keys(detail).length === 0 ? {} : { detail }) } }, undefined, 2)}\n`,
      );
    }
    const unexpected = !(error instanceof LayerswarmError) && errorCode(error) === 'internal';
    const message = error instanceof Error ? error.message : String(error);
    this.diagnostic(
      `${unexpected ? 'internal error: ' : ''}${message.replace(/\s*\n\s*/g, ' ')}${unexpected && !debug ? ' (--debug shows where)' : ''}`,
    );
    if (debug && error instanceof Error) process.stderr.write(`${stackWithCauses(error)}\n`);
  }
}

/**
 * What is printed may hold names that a disk, an image or a peer chose: nothing in it moves a cursor, colours, or turns the direction of
 * what follows. Tabs and the ends of lines are the program's own.
 */
export function escapeControls(text: string): string {
  return text.replaceAll(/(?![\t\n])\p{Cc}|\p{Bidi_Control}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function stackWithCauses(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackWithCauses(error.cause)}` : own;
}
