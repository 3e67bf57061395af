import { unlessAborted } from '../../async/abort.ts';
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

/** `unlessAborted`, with a failure that clients can be told. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return await unlessAborted(promise, signal, abortReason);
}

function abortReason({ reason }: AbortSignal): LayerswarmError {
  if (reason instanceof LayerswarmError) return reason;
  const isTimeout = reason instanceof Error && reason.name === 'TimeoutError';
  return new LayerswarmError(isTimeout ? 'timeout' : 'aborted', isTimeout ? 'no answer in time' : 'the request was given up', {
    cause: reason,
  });
}
