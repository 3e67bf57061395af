/** A rate is taken over this time at least, and over little more while somebody asks. */
const WINDOW_MS = 2000;
/** What was looked at before that says nothing of now. */
const OLD_MS = 60_000;
const MAX_SAMPLES = 32;

interface Sample {
  readonly at: number;
  readonly counters: ReadonlyMap<string, number>;
}

/** Rates out of counters that only grow, which are looked at when somebody asks: nothing runs while nobody does. */
export class RateMeter {
  readonly #now: () => number;
  #samples: Sample[] = [];

  /** `now`: milliseconds, monotonic. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A second of each counter; nothing is known at the first look. */
  look(counters: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    const now = this.#now();
    this.#samples = this.#samples.filter(({ at }) => now - at < OLD_MS);
    // the one that begins the window stays
    while (this.#samples.length > 1 && (now - this.#samples[1]!.at >= WINDOW_MS || this.#samples.length >= MAX_SAMPLES))
      this.#samples.shift();
    const [first] = this.#samples;
    this.#samples.push({ at: now, counters: new Map(counters) });
    if (first === undefined || now <= first.at) return new Map();
    const seconds = (now - first.at) / 1000;
    // a counter that is new began at nothing, and one that went back began anew
    return new Map(
      [...counters].map(([name, value]) => [
        name,
        Math.max(0, Math.round((value - Math.min(value, first.counters.get(name) ?? 0)) / seconds)),
      ]),
    );
  }
}
