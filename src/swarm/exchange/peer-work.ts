import { TokenBucket } from '../network/rate-limit.ts';

/** What one peer may make this node do: so many ms of computing each second, as it is estimated, and as much again at once. */
const SHARE_MS = 100;
const BURST_MS = 1000;
/** One whose work would have to wait for longer than this is cut. */
const MOST_WAIT_MS = 5000;
/** And refused for this long. */
const REFUSED_MS = 60_000;

export interface PeerWorkOptions {
  readonly now: () => number;
  /** Nothing more of this peer until the time given. */
  readonly cut: (peerId: string, until: number) => void;
}

/** Counts what the messages of each peer cost against that peer: over its share it is served later, and far over it cut. */
export class PeerWork {
  /** Peers that were cut. */
  cuts = 0;
  readonly #options: PeerWorkOptions;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: PeerWorkOptions) {
    this.#options = options;
  }

  /** The peer makes this node work for `ms`: for how long it is to wait for that. Those who wait keep their order. */
  take(peerId: string, ms: number): number {
    const now = this.#options.now();
    let bucket = this.#buckets.get(peerId);
    if (bucket === undefined) {
      bucket = new TokenBucket(SHARE_MS, BURST_MS, now);
      this.#buckets.set(peerId, bucket);
    }
    bucket.take(now, ms);
    const waitMs = bucket.waitMs(now);
    if (waitMs > MOST_WAIT_MS) {
      this.forget(peerId);
      this.cuts++;
      this.#options.cut(peerId, now + REFUSED_MS);
    }
    return waitMs;
  }

  forget(peerId: string): void {
    this.#buckets.delete(peerId);
  }
}
