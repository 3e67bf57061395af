import { BoundedMap } from '../../bounded-map.ts';
import { SharedDebts, type SharedDebt } from '../shared-debts.ts';

/** What one peer may make this node do: so many ms of computing each second, and as much again at once. */
const SHARE_MS = 100;
const BURST_MS = 1000;
/** A ms of work is paid off in this time. */
const US_PER_MS_OF_WORK = 1_000_000 / SHARE_MS;
const BURST_US = BURST_MS * US_PER_MS_OF_WORK;
/** One whose work would have to wait for longer than this is cut. */
const MOST_WAIT_MS = 5000;
/** And one whose work had to wait all this time: as no more is read of it meanwhile, it never has to wait for longer than the former. */
const MOST_OVER_MS = 60_000;
/** It is refused for this long, and for twice as long each time. */
const REFUSED_MS = 60_000;
const MOST_REFUSED_MS = 64 * REFUSED_MS;
/** Because this node was slow nobody waits for longer. */
const MOST_SLOW_MS = 2000;
const MAX_REFUSED = 1024;

export interface PeerWorkOptions {
  readonly now: () => number;
  /** Of all threads; of this one alone without it. */
  readonly debts?: SharedDebts | undefined;
  /** Nothing more of this peer until the time given. */
  readonly cut: (peerId: string, until: number) => void;
}

interface PeerDebts {
  /** By what messages are estimated to take. */
  readonly said: SharedDebt;
  /** What they took beyond that. */
  readonly took: SharedDebt;
  /** Since when there was always something that had to wait, and until when there will be. */
  overSince: number;
  overUntil: number;
}

/** Counts what the messages of each peer cost against that peer: over its share it is served later, and far over it cut. */
export class PeerWork {
  /** Peers that were cut. */
  cuts = 0;
  readonly #options: PeerWorkOptions;
  readonly #debts: SharedDebts;
  readonly #peers = new Map<string, PeerDebts>();
  /** For how long who was cut was refused the last time. */
  readonly #refused = new BoundedMap<string, number>(MAX_REFUSED);

  constructor(options: PeerWorkOptions) {
    this.#options = options;
    this.#debts = options.debts ?? new SharedDebts();
  }

  /** The peer makes this node work for `ms`, as it is estimated: for how long it is to wait for that. Those who wait keep their order. */
  take(peerId: string, ms: number): number {
    const now = this.#options.now();
    const debts = this.#of(peerId);
    const waitMs = overBurst(debts.said.add(ms * US_PER_MS_OF_WORK, now * 1000));
    if (now > debts.overUntil) debts.overSince = now;
    debts.overUntil = now + waitMs;
    if (waitMs > MOST_WAIT_MS || now - debts.overSince > MOST_OVER_MS) this.#cut(peerId, now);
    return waitMs;
  }

  /**
   * That took `ms` more than was estimated. On a host whose cores are busy with other things it does, and who asks without an end would
   * have all that this thread gets; but nobody is cut for it.
   */
  took(peerId: string, ms: number): void {
    const now = this.#options.now() * 1000;
    const { took } = this.#of(peerId);
    const most = BURST_US + MOST_SLOW_MS * 1000 - took.left(now);
    if (most > 0) took.add(Math.min(most, ms * US_PER_MS_OF_WORK), now);
  }

  /** Milliseconds until something is to be done for the peer again: what it made this node do took too long. */
  slowedFor(peerId: string): number {
    return overBurst(this.#of(peerId).took.left(this.#options.now() * 1000));
  }

  forget(peerId: string): void {
    this.#peers.get(peerId)?.said.forgive();
    this.#peers.get(peerId)?.took.forgive();
    this.#peers.delete(peerId);
  }

  #cut(peerId: string, now: number): void {
    const refusedMs = Math.min(MOST_REFUSED_MS, 2 * (this.#refused.get(peerId) ?? REFUSED_MS / 2));
    this.#refused.set(peerId, refusedMs);
    this.forget(peerId);
    this.cuts++;
    this.#options.cut(peerId, now + refusedMs);
  }

  #of(peerId: string): PeerDebts {
    let debts = this.#peers.get(peerId);
    if (debts === undefined) {
      debts = { said: this.#debts.of(peerId), took: this.#debts.of(`took ${peerId}`), overSince: 0, overUntil: Number.NEGATIVE_INFINITY };
      this.#peers.set(peerId, debts);
    }
    return debts;
  }
}

/** Milliseconds, of a debt in microseconds. */
function overBurst(debtUs: number): number {
  return Math.max(0, Math.ceil((debtUs - BURST_US) / 1000));
}
