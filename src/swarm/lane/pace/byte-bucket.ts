import type { RateState } from '../../../origin/budget.ts';
import type { SharedDebt } from '../../shared-debts.ts';

/** A bucket holds what comes in during this time: what may go at once after a pause. */
const BURST_MS = 100;
const US_PER_MS = 1000;

/** What bytes are drawn from. Times: milliseconds of a clock that all threads share. */
export interface Bucket {
  /** Draws `bytes`, or nothing (false) while it is in debt. */
  take(bytes: number, now: number): boolean;
  /** Milliseconds until it is out of debt; 0 when it is. */
  waitMs(now: number): number;
}

/**
 * A token bucket over bytes, which any number of threads may draw from. Gives as long as it is out of debt, whatever the amount, so
 * that one takes no more than the burst and one amount at once.
 */
export class ByteBucket implements Bucket {
  readonly #usPerByte: number;
  readonly #fullAt: BigInt64Array;

  constructor({ bytesPerSecond, memory }: RateState) {
    this.#usPerByte = (US_PER_MS * 1000) / bytesPerSecond;
    this.#fullAt = new BigInt64Array(memory);
  }

  take(bytes: number, now: number): boolean {
    const at = now * US_PER_MS;
    for (;;) {
      const fullAt = Atomics.load(this.#fullAt, 0);
      if (Number(fullAt) >= at + BURST_MS * US_PER_MS) return false;
      const next = BigInt(Math.ceil(Math.max(Number(fullAt), at) + bytes * this.#usPerByte));
      if (Atomics.compareExchange(this.#fullAt, 0, fullAt, next) === fullAt) return true;
    }
  }

  waitMs(now: number): number {
    const until = Number(Atomics.load(this.#fullAt, 0)) / US_PER_MS - BURST_MS;
    // In debt at the very moment, too: see `take`.
    return until < now ? 0 : Math.max(until - now, 1 / US_PER_MS);
  }
}

/** The same of one among many hosts, whose memory is the threads'. Threads that draw at the same moment take one amount each. */
export class HostBucket implements Bucket {
  readonly #usPerByte: number;
  readonly #debt: SharedDebt;

  constructor(bytesPerSecond: number, debt: SharedDebt) {
    this.#usPerByte = (US_PER_MS * 1000) / bytesPerSecond;
    this.#debt = debt;
  }

  take(bytes: number, now: number): boolean {
    if (this.waitMs(now) > 0) return false;
    this.#debt.add(bytes * this.#usPerByte, now * US_PER_MS);
    return true;
  }

  waitMs(now: number): number {
    const over = this.#debt.left(now * US_PER_MS) / US_PER_MS - BURST_MS;
    // In debt at the very moment, too: see `ByteBucket.take`.
    return over < 0 ? 0 : Math.max(over, 1 / US_PER_MS);
  }
}
