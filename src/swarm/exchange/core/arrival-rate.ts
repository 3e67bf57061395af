/** How fast pieces come, all sources together. */
export class ArrivalRate {
  /** Smoothed over a few windows; 0 before the first is over. */
  bytesPerSecond = 0;
  readonly #windowMs: number;
  #since: number | undefined;
  #bytes = 0;

  constructor(windowMs = 200) {
    this.#windowMs = windowMs;
  }

  add(bytes: number, now: number): void {
    this.#since ??= now;
    this.#bytes += bytes;
    const ms = now - this.#since;
    if (ms < this.#windowMs) return;
    const rate = (this.#bytes * 1000) / ms;
    this.bytesPerSecond = this.bytesPerSecond === 0 ? rate : this.bytesPerSecond * 0.5 + rate * 0.5;
    this.#since = now;
    this.#bytes = 0;
  }
}
