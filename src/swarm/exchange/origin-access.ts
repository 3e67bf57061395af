import type { BlobOrigin } from '../swarm.ts';

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 15_000;

/** One transfer's use of the origin: after a failure it is left alone for a while, twice as long each time in a row. */
export class OriginAccess {
  readonly #origin: () => BlobOrigin | undefined;
  readonly #now: () => number;
  /** What the origin failed with last; undefined while it never did. */
  error: unknown;
  #pausedUntil = 0;
  #failures = 0;

  constructor(origin: () => BlobOrigin | undefined, now: () => number) {
    this.#origin = origin;
    this.#now = now;
  }

  /** The origin, paused or not. */
  get known(): BlobOrigin | undefined {
    return this.#origin();
  }

  /** The origin, if it may be read now. */
  get usable(): BlobOrigin | undefined {
    return this.#pausedUntil > this.#now() ? undefined : this.#origin();
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** There is another way to it, which has not failed. */
  renewed(): void {
    this.error = undefined;
    this.#failures = 0;
    this.#pausedUntil = 0;
  }

  failed(error: unknown): void {
    this.error = error;
    this.#pausedUntil = this.#now() + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures++;
  }
}
