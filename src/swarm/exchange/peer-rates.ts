import { BoundedMap } from '../../bounded-map.ts';

/** How fast a source was counts for this long, in ms. */
const FRESH_MS = 120_000;
/** A member that gives less than this part of what others give is slow. */
const SLOW_PART = 1 / 8;
/** Bytes a second. Of two nobody knows which is the odd one, so that the slower must be slow by itself; and one alone still more so. */
const SLOW_OF_TWO = 1 << 20;
const SLOW_ALONE = 64 << 10;
/** What took no longer, and did not come whole, says nothing. */
const LEAST_MS = 500;
/** Of the time that a source was asked, what is longer ago than this counts for little. */
const MEMORY_MS = 3000;
const MAX_SOURCES = 1000;

/** A member that gives far less than others do, or very little. */
export interface SlowPeer {
  readonly peerId: string;
  readonly bytesPerSecond: number;
  /** Of the other sources, the one in the middle; undefined where there was no other. */
  readonly othersBytesPerSecond: number | undefined;
  /** In ms since the epoch: if nothing is asked of it any more, it is forgotten. */
  readonly until: number;
}

interface Rate {
  readonly bytes: number;
  /** That it was asked, requests at the same time counting once. */
  readonly ms: number;
  readonly at: number;
}

/** How fast sources have been lately, over all blobs: names the host that is slow where others are not. */
export class PeerRates {
  readonly #now: () => number;
  /** By peer id, undefined for the origin. */
  readonly #rates = new BoundedMap<string | undefined, Rate>(MAX_SOURCES);

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A request ended, after `ms`. @param peerId undefined for the origin */
  measured(peerId: string | undefined, bytes: number, ms: number, isWhole: boolean): void {
    if (!isWhole && ms < LEAST_MS) return;
    const at = this.#now();
    const before = this.#fresh(peerId) ?? { bytes: 0, ms: 0, at: Number.NEGATIVE_INFINITY };
    const added = at - Math.max(before.at, at - Math.max(1, ms));
    const kept = Math.exp(-added / MEMORY_MS);
    // The last to be measured is the last to be forgotten.
    this.#rates.set(peerId, { bytes: before.bytes * kept + bytes, ms: before.ms * kept + added, at });
  }

  slow(): SlowPeer[] {
    const known = [...this.#rates]
      .flatMap(([peerId, rate]) =>
        this.#fresh(peerId) === undefined ? [] : [{ peerId, bytesPerSecond: (rate.bytes * 1000) / rate.ms, at: rate.at }],
      )
      .sort((a, b) => a.bytesPerSecond - b.bytesPerSecond);
    const others = known.length - 1;
    const half = Math.floor(others / 2);
    return known.flatMap(({ peerId, bytesPerSecond, at }, index): SlowPeer[] => {
      if (peerId === undefined) return [];
      // Of those without this one.
      const middle = known[half < index ? half : half + 1]?.bytesPerSecond;
      const most = Math.min(middle === undefined ? SLOW_ALONE : middle * SLOW_PART, others === 1 ? SLOW_OF_TWO : Number.POSITIVE_INFINITY);
      if (bytesPerSecond >= most) return [];
      return [
        {
          peerId,
          bytesPerSecond: Math.round(bytesPerSecond),
          othersBytesPerSecond: middle === undefined ? undefined : Math.round(middle),
          until: at + FRESH_MS,
        },
      ];
    });
  }

  #fresh(peerId: string | undefined): Rate | undefined {
    const known = this.#rates.get(peerId);
    return known === undefined || this.#now() - known.at > FRESH_MS ? undefined : known;
  }
}
