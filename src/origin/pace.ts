import type { Clock } from './clock.ts';

/** Milliseconds of waiting for bytes after which a read is judged. */
const WINDOW_MS = 1_000;
/** A read crawls that is slower than this part of what others get. */
const CRAWLING = 0.1;
/** Others count for so many milliseconds, … */
const RECENT_MS = 5_000;
/** … and fewer of them say nothing. */
const MIN_OTHERS = 3;
const MAX_OTHERS = 32;

/**
 * How fast reads from one registry go. Big stores have many front-ends, and a connection may land on one that crawls: beside its
 * siblings that shows, while on a slow line all of them are slow.
 */
export class Pace {
  readonly #clock: Clock;
  #others: { readonly at: number; readonly rate: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param crawls called once, when the read turns out to crawl */
  begin(crawls: () => void): ReadPace {
    return new ReadPace(this.#clock, (rate) => this.#judge(rate), crawls);
  }

  /** Whether a read of this rate crawls; counts it for the others. */
  #judge(rate: number): boolean {
    const now = this.#clock.now();
    const others = this.#others.filter(({ at }) => now - at <= RECENT_MS);
    this.#others = [...others.slice(1 - MAX_OTHERS), { at: now, rate }];
    const sorted = others.map((other) => other.rate).sort((a, b) => a - b);
    return sorted.length >= MIN_OTHERS && rate < CRAWLING * sorted[Math.floor(sorted.length / 2)]!;
  }
}

/** One read: how long it has waited for how many bytes. What its consumer takes its time for does not count. */
export class ReadPace implements Disposable {
  readonly #clock: Clock;
  readonly #judge: (bytesPerMs: number) => boolean;
  readonly #crawls: () => void;
  readonly #timer: NodeJS.Timeout;
  #waited = 0;
  #bytes = 0;
  #waitingSince: number | undefined;

  constructor(clock: Clock, judge: (bytesPerMs: number) => boolean, crawls: () => void) {
    this.#clock = clock;
    this.#judge = judge;
    this.#crawls = crawls;
    this.#timer = setInterval(() => this.#look(), WINDOW_MS / 4).unref();
  }

  waiting(): void {
    this.#waitingSince = this.#clock.now();
  }

  got(bytes: number): void {
    this.#waited = this.#waitedNow();
    this.#waitingSince = undefined;
    this.#bytes += bytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    // what ended sooner than a window is what the others are compared with
    if (this.#bytes > 0) this.#judge(this.#bytes / Math.max(1, this.#waitedNow()));
  }

  #look(): void {
    const waited = this.#waitedNow();
    if (waited < WINDOW_MS) return;
    const isCrawling = this.#judge(this.#bytes / waited);
    this.#waited = 0;
    this.#bytes = 0;
    if (this.#waitingSince !== undefined) this.#waitingSince = this.#clock.now();
    if (isCrawling) this.#crawls();
  }

  #waitedNow(): number {
    return this.#waited + (this.#waitingSince === undefined ? 0 : this.#clock.now() - this.#waitingSince);
  }
}
