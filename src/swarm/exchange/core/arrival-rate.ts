export interface ArrivalRateOptions {
  /** What comes is counted for this long at a time. */
  readonly windowMs?: number;
  /** The same of the first window, so that there is a rate soon. */
  readonly firstWindowMs?: number;
  /** From when on something could come, ms; from the first that comes without it. */
  readonly since?: number;
}

/** How fast pieces come, all sources together. */
export class ArrivalRate {
  /** Smoothed over a few windows; 0 before the first is over. */
  bytesPerSecond = 0;
  readonly #laterWindowMs: number;
  #windowMs: number;
  #since: number | undefined;
  #bytes = 0;

  constructor({ windowMs = 200, firstWindowMs = windowMs, since }: ArrivalRateOptions = {}) {
    this.#laterWindowMs = windowMs;
    this.#windowMs = firstWindowMs;
    this.#since = since;
  }

  add(bytes: number, now: number): void {
    this.#since ??= now;
    this.#bytes += bytes;
    const ms = now - this.#since;
    if (ms < this.#windowMs) return;
    const rate = (this.#bytes * 1000) / ms;
    this.bytesPerSecond = this.bytesPerSecond === 0 ? rate : this.bytesPerSecond * 0.5 + rate * 0.5;
    this.#windowMs = this.#laterWindowMs;
    this.#since = now;
    this.#bytes = 0;
  }
}
