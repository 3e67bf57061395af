import type { Clock } from './clock.ts';

/** What threads share of a rate: all that are given the same memory keep it together. */
export interface RateState {
  readonly bytesPerSecond: number;
  /** 8 bytes: the time in µs at which the bucket is full again. */
  readonly memory: SharedArrayBuffer;
}

export function newRate(bytesPerSecond: number): RateState {
  return { bytesPerSecond, memory: new SharedArrayBuffer(8) };
}

const BURST_US = 250_000;

/** A rate over bytes: a token bucket that holds a quarter of a second. Debt is allowed, so a chunk of any size passes and is waited for. */
export class ByteRate {
  readonly #usPerByte: number;
  readonly #fullAt: BigInt64Array;
  readonly #clock: Clock;

  /** @param clock one that all threads share */
  constructor({ bytesPerSecond, memory }: RateState, clock: Clock) {
    this.#usPerByte = 1e6 / bytesPerSecond;
    this.#fullAt = new BigInt64Array(memory);
    this.#clock = clock;
  }

  /** Waits until `bytes` fit the rate. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now() * 1000;
    const wait = (this.#draw(bytes, now) - now - BURST_US) / 1000;
    if (wait > 0) await this.#clock.sleep(wait, signal);
  }

  /** When the bucket is full again. */
  #draw(bytes: number, now: number): number {
    for (;;) {
      const before = Atomics.load(this.#fullAt, 0);
      const next = BigInt(Math.ceil(Math.max(Number(before), now) + bytes * this.#usPerByte));
      if (Atomics.compareExchange(this.#fullAt, 0, before, next) === before) return Number(next);
    }
  }
}
