/** A token bucket: `rate` a second on average, `burst` at once. */
export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #updatedAt: number;

  constructor(rate: number, burst: number, now: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#tokens = burst;
    this.#updatedAt = now;
  }

  /** Takes `tokens`. May go into debt, so that a frame that was read already counts; `waitMs` says for how long to read no more. */
  take(now: number, tokens = 1): void {
    this.#refill(now);
    this.#tokens -= tokens;
  }

  /** Milliseconds until the bucket is out of debt. */
  waitMs(now: number): number {
    this.#refill(now);
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens / this.#rate) * 1000);
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (Math.max(0, now - this.#updatedAt) / 1000) * this.#rate);
    this.#updatedAt = now;
  }
}
