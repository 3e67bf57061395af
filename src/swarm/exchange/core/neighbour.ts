import type { Bitfield } from './bitfield.ts';

/** A request for pieces that a neighbour has been asked for. */
export interface Fetch {
  readonly id: number;
  readonly peer: string;
  readonly first: number;
  readonly count: number;
  readonly startedAt: number;
  /** Asked of a member that fetches itself, and took its share of what may be. */
  readonly relayed: boolean;
  /** Pieces of it that arrived, in order. */
  arrived: number;
}

/**
 * `none`: has nothing and wants nothing. `fetching`: wants the blob, has some of it. `complete`: has it all.
 * `origin`: has it all because it is the embedded origin, and so is read under leases only.
 */
export type NeighbourRole = 'none' | 'fetching' | 'complete' | 'origin';

/** How fast a peer is taken to be before anything was measured, in bytes a second. */
const ASSUMED_RATE = 2 << 20;
/** A peer that failed rests for this long, doubled for each failure in a row, in ms. */
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 30_000;

/** What one download knows of one peer, and what goes on between them. */
export class Neighbour {
  readonly peer: string;
  /** The zone that it is in, where that is not this node's. */
  farZone: string | undefined;
  /** Round trip, as far as it is known. */
  latencyMs = 0;
  role: NeighbourRole;
  /** It fetches the blob, or did when this node met it, and what it says of its pieces counts. */
  relays: boolean;
  bits: Bitfield;
  /** Bytes that it is ready to be pushed. */
  credit: number;
  /** Bytes that it has queued for others, as it last said. */
  backlogBytes = 0;
  /** Pieces to push to it, in order, and how many are on their way. */
  readonly pushQueue = new Set<number>();
  pushing = 0;
  /** Bytes pushed to it that it gave no credit for yet: under way, or in buffers on both sides. */
  unconfirmedBytes = 0;
  #confirmedAt: number | undefined;
  #confirmedRate = 0;
  /** Pieces that it said it will push here. */
  readonly promised = new Set<number>();
  /** When it last promised or pushed something, in ms. */
  heardPusherAt = 0;
  readonly fetches = new Map<number, Fetch>();
  pausedUntil = 0;
  #trusted = true;
  #failures = 0;
  #rate: number | undefined;

  constructor(peer: string, role: NeighbourRole, bits: Bitfield, credit: number) {
    this.peer = peer;
    this.role = role;
    this.relays = role === 'fetching';
    this.bits = bits;
    this.credit = credit;
  }

  /** It says anew what it has. */
  become(role: NeighbourRole, bits: Bitfield, credit: number): void {
    this.relays = this.#trusted && (role === 'fetching' || (role === 'complete' && this.relays));
    this.role = role;
    this.bits = bits;
    this.credit = credit;
    if (role !== 'fetching') this.pushQueue.clear();
  }

  /** In this node's zone: asked before others. */
  get near(): boolean {
    return this.farZone === undefined;
  }

  /** Bytes a second, measured over what it sent, or a guess before that. */
  get rate(): number {
    return this.#rate ?? ASSUMED_RATE;
  }

  measured(bytes: number, ms: number): void {
    const rate = (bytes * 1000) / Math.max(1, ms / 2, ms - this.latencyMs);
    this.#rate = this.#rate === undefined ? rate : this.#rate * 0.7 + rate * 0.3;
  }

  pushed(bytes: number): void {
    this.pushing++;
    this.credit -= bytes;
    this.unconfirmedBytes += bytes;
  }

  pushEnded(bytes: number, confirms: boolean): void {
    this.pushing = Math.max(0, this.pushing - 1);
    if (confirms) return;
    this.credit += bytes;
    this.unconfirmedBytes = Math.max(0, this.unconfirmedBytes - bytes);
  }

  credited(bytes: number, now: number): void {
    this.credit += bytes;
    this.unconfirmedBytes = Math.max(0, this.unconfirmedBytes - bytes);
    if (this.#confirmedAt !== undefined) this.#confirmedRate = this.#confirmedRate * 0.7 + ((bytes * 1000) / Math.max(1, now - this.#confirmedAt)) * 0.3;
    this.#confirmedAt = this.unconfirmedBytes > 0 ? now : undefined;
  }

  /** Bytes that it takes in `ms`, as far as its credit shows. */
  takesIn(ms: number): number {
    return (this.#confirmedRate * ms) / 1000;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(now: number): void {
    this.pausedUntil = now + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures++;
  }

  /** It brought wrong bytes: nothing is asked of it any more. */
  distrust(): void {
    this.#trusted = false;
    this.relays = false;
    this.pausedUntil = Infinity;
  }
}
