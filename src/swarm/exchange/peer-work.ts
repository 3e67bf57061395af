import { SharedDebts, type SharedDebt } from '../shared-debts.ts';

/** What one peer may make this node do: so many ms of computing each second, as it is estimated, and as much again at once. */
const SHARE_MS = 100;
const BURST_MS = 1000;
/** A ms of work is paid off in this time. */
const US_PER_MS_OF_WORK = 1_000_000 / SHARE_MS;
/** One whose work would have to wait for longer than this is cut. */
const MOST_WAIT_MS = 5000;
/** And refused for this long. */
const REFUSED_MS = 60_000;

export interface PeerWorkOptions {
  readonly now: () => number;
  /** Of all threads; of this one alone without it. */
  readonly debts?: SharedDebts | undefined;
  /** Nothing more of this peer until the time given. */
  readonly cut: (peerId: string, until: number) => void;
}

/** Counts what the messages of each peer cost against that peer: over its share it is served later, and far over it cut. */
export class PeerWork {
  /** Peers that were cut. */
  cuts = 0;
  readonly #options: PeerWorkOptions;
  readonly #debts: SharedDebts;
  readonly #peers = new Map<string, SharedDebt>();

  constructor(options: PeerWorkOptions) {
    this.#options = options;
    this.#debts = options.debts ?? new SharedDebts();
  }

  /** The peer makes this node work for `ms`: for how long it is to wait for that. Those who wait keep their order. */
  take(peerId: string, ms: number): number {
    const now = this.#options.now();
    let debt = this.#peers.get(peerId);
    if (debt === undefined) {
      debt = this.#debts.of(peerId);
      this.#peers.set(peerId, debt);
    }
    const left = debt.add(ms * US_PER_MS_OF_WORK, now * 1000) - BURST_MS * US_PER_MS_OF_WORK;
    const waitMs = Math.max(0, Math.ceil(left / 1000));
    if (waitMs > MOST_WAIT_MS) {
      this.forget(peerId);
      this.cuts++;
      this.#options.cut(peerId, now + REFUSED_MS);
    }
    return waitMs;
  }

  forget(peerId: string): void {
    this.#peers.get(peerId)?.forgive();
    this.#peers.delete(peerId);
  }
}
