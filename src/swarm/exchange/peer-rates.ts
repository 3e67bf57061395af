import { BoundedMap } from '../../bounded-map.ts';

/** How fast a member was counts for this long, in ms. */
const FRESH_MS = 120_000;
/** One that gives less than this part of what others give is slow. */
const SLOW_PART = 1 / 8;
/** Others that must have been measured: of two nobody knows which is the odd one. */
const MIN_OTHERS = 2;
/** What took no longer, and did not come whole, says nothing. */
const LEAST_MS = 500;
const MAX_PEERS = 1000;

/** A member that gives far less than others do. */
export interface SlowPeer {
  readonly peerId: string;
  readonly bytesPerSecond: number;
  /** Of the others, the one in the middle. */
  readonly othersBytesPerSecond: number;
  /** In ms since the epoch: if nothing is asked of it any more, it is forgotten. */
  readonly until: number;
}

/** How fast members have been lately, over all blobs: names the host that is slow where others are not. */
export class PeerRates {
  readonly #now: () => number;
  readonly #rates = new BoundedMap<string, { readonly bytesPerSecond: number; readonly at: number }>(MAX_PEERS);

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A request to it ended, after `ms`. */
  measured(peerId: string, bytes: number, ms: number, isWhole: boolean): void {
    if (!isWhole && ms < LEAST_MS) return;
    const rate = (bytes * 1000) / Math.max(1, ms);
    const before = this.#fresh(peerId);
    // The last to be measured is the last to be forgotten.
    this.#rates.set(peerId, { bytesPerSecond: before === undefined ? rate : before * 0.7 + rate * 0.3, at: this.#now() });
  }

  slow(): SlowPeer[] {
    const known = [...this.#rates].filter(([peerId]) => this.#fresh(peerId) !== undefined);
    return known.flatMap(([peerId, { bytesPerSecond, at }]): SlowPeer[] => {
      const others = known.flatMap(([other, rate]) => (other === peerId ? [] : [rate.bytesPerSecond])).sort((a, b) => a - b);
      const middle = others[Math.floor(others.length / 2)];
      if (middle === undefined || others.length < MIN_OTHERS || bytesPerSecond >= middle * SLOW_PART) return [];
      return [{ peerId, bytesPerSecond: Math.round(bytesPerSecond), othersBytesPerSecond: Math.round(middle), until: at + FRESH_MS }];
    });
  }

  #fresh(peerId: string): number | undefined {
    const known = this.#rates.get(peerId);
    return known === undefined || this.#now() - known.at > FRESH_MS ? undefined : known.bytesPerSecond;
  }
}
