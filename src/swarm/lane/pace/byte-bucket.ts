import type { RateState } from '../../../origin/budget.ts';

/** A bucket holds what comes in during this time: what may go at once after a pause. */
const BURST_MS = 100;
const US_PER_MS = 1000;

/** What threads share of a bucket: all that is given the same memory draw from the same bucket. */

/**
 * A token bucket over bytes, which any number of threads may draw from. Gives as long as it is out of debt, whatever the amount, so
 * that one takes no more than the burst and one amount at once.
 */
export class ByteBucket {
  readonly #usPerByte: number;
  readonly #fullAt: BigInt64Array;

  constructor({ bytesPerSecond, memory }: RateState) {
    this.#usPerByte = (US_PER_MS * 1000) / bytesPerSecond;
    this.#fullAt = new BigInt64Array(memory);
  }

  /** Draws `bytes`, or nothing (false) while it is in debt. `now`: milliseconds of a clock that all threads share. */
  take(bytes: number, now: number): boolean {
    const at = now * US_PER_MS;
    for (;;) {
      const fullAt = Atomics.load(this.#fullAt, 0);
      if (Number(fullAt) >= at + BURST_MS * US_PER_MS) return false;
      const next = BigInt(Math.ceil(Math.max(Number(fullAt), at) + bytes * this.#usPerByte));
      if (Atomics.compareExchange(this.#fullAt, 0, fullAt, next) === fullAt) return true;
    }
  }

  /** Milliseconds until it is out of debt; 0 when it is. */
  waitMs(now: number): number {
    const until = Number(Atomics.load(this.#fullAt, 0)) / US_PER_MS - BURST_MS;
    // In debt at the very moment, too: see `take`.
    return until < now ? 0 : Math.max(until - now, 1 / US_PER_MS);
  }
}
