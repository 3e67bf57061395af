const WINDOW_MS = 200;

/** How fast a download's pieces come, all sources together. */
export class ArrivalRate {
  /** Smoothed over a few windows of 0.2 s; 0 before the first is over. */
  bytesPerSecond = 0;
  #since: number | undefined;
  #bytes = 0;

  add(bytes: number, now: number): void {
    this.#since ??= now;
    this.#bytes += bytes;
    const ms = now - this.#since;
    if (ms < WINDOW_MS) return;
    const rate = (this.#bytes * 1000) / ms;
    this.bytesPerSecond = this.bytesPerSecond === 0 ? rate : this.bytesPerSecond * 0.5 + rate * 0.5;
    this.#since = now;
    this.#bytes = 0;
  }
}
