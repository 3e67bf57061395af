import type { Clock } from './clock.ts';

/** At most so many at a time; the rest wait in the order of arrival. */
export class Semaphore {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(permits: number) {
    this.#free = permits;
  }

  /** Resolves with what gives the permit back (idempotent). Rejects with the signal's reason. */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#passOn();
    };
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const granted = (): void => resolve();
    const aborted = (): void => {
      this.#waiting.delete(granted);
      reject(signal?.reason as Error);
    };
    this.#waiting.add(granted);
    signal?.addEventListener('abort', aborted, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', aborted);
    }
  }

  #passOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
    } else {
      this.#waiting.delete(next);
      next();
    }
  }
}

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
