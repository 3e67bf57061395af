import { unlessAborted as endOfWait } from '../../async/abort.ts';
import { LayerswarmError } from '../../errors.ts';

export function abortedBy(signal: AbortSignal): LayerswarmError {
  return new LayerswarmError('aborted', 'the transfer was aborted', { cause: signal.reason });
}

/** Waits for `work`, but not longer than until the signal. The work itself goes on. @throws `aborted` */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return await endOfWait(work, signal, abortedBy);
}
