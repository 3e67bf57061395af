import { LayerswarmError } from '../../errors.ts';

export function abortedBy(signal: AbortSignal): LayerswarmError {
  return new LayerswarmError('aborted', 'the transfer was aborted', { cause: signal.reason });
}

/** Waits for `work`, but not longer than until the signal. The work itself goes on. @throws `aborted` */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => { reject(abortedBy(signal)); };
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
