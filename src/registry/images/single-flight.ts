import { LayerswarmError } from '../../errors.ts';

/** Runs one operation a key at a time; who asks meanwhile joins it. The operation outlives callers that go away. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /** @throws what `start` throws; `aborted` (or the signal's own reason) when this caller's signal ends the wait */
  run(key: string, start: () => Promise<T>, signal: AbortSignal): Promise<T> {
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      flight = start().finally(() => this.#flights.delete(key));
      this.#flights.set(key, flight);
    }
    return abortable(flight, signal);
  }
}

/** `promise`, or the signal's reason, whichever comes first. What `promise` does after that is nobody's concern. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortReason(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function abortReason(signal: AbortSignal): LayerswarmError {
  const reason: unknown = signal.reason;
  if (reason instanceof LayerswarmError) return reason;
  const isTimeout = reason instanceof Error && reason.name === 'TimeoutError';
  return new LayerswarmError(isTimeout ? 'timeout' : 'aborted', isTimeout ? 'no answer in time' : 'the request was given up', { cause: reason });
}
