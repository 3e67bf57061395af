/**
 * When unfinished blobs are synced: after so many bytes or so much time, one at a time in the whole store, for each sync holds one
 * of the few threads that all reads and writes share.
 */
export class SyncPolicy {
  readonly bytes: number;
  readonly intervalMs: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: { bytes: number; intervalMs: number }) {
    this.bytes = options.bytes;
    this.intervalMs = options.intervalMs;
  }

  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined); // the caller gets the error
    return result;
  }
}
