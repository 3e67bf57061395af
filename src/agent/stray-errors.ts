import { errorCode, LayerswarmError } from '../errors.ts';
import type { Logger } from '../log.ts';

/** What Node says when the other end of a connection went away. */
const GONE: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'UND_ERR_ABORTED',
]);

/**
 * Errors that nobody waited for any more. Each is a bug, and is logged with its stack. A promise that was left alone breaks nothing: its
 * work is over. So is that of an event of a stream that was aborted or whose other end went away. Any other error may have left
 * something half done, and ends the process, whose store opens and verifies when it starts again.
 */
export class StrayErrors {
  readonly #log: Logger;
  readonly #end: () => void;
  #count = 0;

  /** @param end ends the process */
  constructor(log: Logger, end: () => void) {
    this.#log = log;
    this.#end = end;
  }

  /** Since the start. */
  get count(): number {
    return this.#count;
  }

  readonly onRejection = (error: unknown): void => {
    this.#count += 1;
    this.#log.error('a failure was left alone; the agent goes on', detailsOf(error));
  };

  readonly onException = (error: unknown): void => {
    if (belongsToARequest(error)) {
      this.onRejection(error);
      return;
    }
    this.#log.error('an error was thrown where nobody catches it; the agent ends', detailsOf(error));
    this.#end();
  };
}

function belongsToARequest(error: unknown): boolean {
  if (errorCode(error) === 'aborted') return true;
  return error instanceof Error && !(error instanceof LayerswarmError) && GONE.has((error as NodeJS.ErrnoException).code ?? '');
}

function detailsOf(error: unknown): { reason: string; stack?: string } {
  return error instanceof Error
    ? { reason: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) }
    : { reason: String(error) };
}
