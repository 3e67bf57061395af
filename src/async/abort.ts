/**
 * Calls `listener` when the signal is aborted, at once where it is already; no more once what it returns is disposed of, as by
 * `using _ = onAbort(signal, stop)`.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): Disposable {
  if (signal?.aborted === true) listener();
  else signal?.addEventListener('abort', listener, { once: true });
  return {
    [Symbol.dispose]: () => {
      signal?.removeEventListener('abort', listener);
    },
  };
}

/**
 * `work`, or the failure that the signal stands for, whichever comes first. What `work` does after that is nobody's concern.
 * @param failure what is thrown then; the signal's own reason unless given
 */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  failure: (signal: AbortSignal) => unknown = (aborted) => aborted.reason,
): Promise<T> {
  if (signal === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  using _ = onAbort(signal, () => {
    reject(failure(signal));
  });
  return await Promise.race([work, promise]);
}
