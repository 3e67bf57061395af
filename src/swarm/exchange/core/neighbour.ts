import type { Bitfield } from './bitfield.ts';
import type { Awaited } from './silence.ts';

/** A request for pieces that a neighbour has been asked for. */
export interface Fetch extends Awaited {
  readonly id: number;
  readonly peer: string;
  readonly first: number;
  readonly count: number;
  readonly startedAt: number;
  /** Asked of a member that fetches itself, and took its share of what may be. */
  readonly relayed: boolean;
  /** Bytes of it came. */
  isBegun: boolean;
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
  /** New pieces of which it told nobody else in this node's zone yet, in the order in which they are to be fetched. */
  readonly forZone = new Set<number>();
  readonly fetches = new Map<number, Fetch>();
  pausedUntil = 0;
  #trusted = true;
  #failures = 0;
  #rate: number | undefined;

  constructor(peer: string, role: NeighbourRole, bits: Bitfield) {
    this.peer = peer;
    this.role = role;
    this.relays = role === 'fetching';
    this.bits = bits;
  }

  /** It says anew what it has. */
  become(role: NeighbourRole, bits: Bitfield): void {
    this.relays = this.#trusted && !this.isSilent && (role === 'fetching' || (role === 'complete' && this.relays));
    this.role = role;
    this.bits = bits;
    this.forZone.clear();
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

  /** It owes what it was asked for, and is not asked for more meanwhile. */
  get isSilent(): boolean {
    for (const { isSilent } of this.fetches.values()) if (isSilent) return true;
    return false;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(now: number): void {
    if (!this.#trusted) return;
    this.pausedUntil = now + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures++;
  }

  /** It brought wrong bytes: nothing is asked of it any more. */
  distrust(): void {
    this.#trusted = false;
    this.relays = false;
    this.forZone.clear();
    this.pausedUntil = Infinity;
  }

  forgive(): void {
    this.#trusted = true;
    this.pausedUntil = 0;
    this.heardAgain();
  }

  /** What it has counts again, as long as nothing else speaks against it. */
  heardAgain(): void {
    this.relays = this.#trusted && !this.isSilent && this.role === 'fetching';
  }
}
