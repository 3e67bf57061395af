import { Bitfield, piecesOf, type Run } from './bitfield.ts';

interface Member {
  readonly bits: Bitfield;
  /** The order in which members came and completed. */
  readonly came: number;
  /** When it last said anything, in ms. */
  heardAt: number;
  completed?: number;
}

/** Who of a crowd has which pieces of one blob, as far as its coordinator is told. Pure: time is passed in, in ms. */
export class CrowdBook {
  readonly #pieceCount: number;
  readonly #members = new Map<string, Member>();
  /** Members that have each piece and lack others: kept up to date, since a crowd asks often. */
  readonly #held: Uint32Array;
  #order = 0;

  constructor(pieceCount: number) {
    this.#pieceCount = pieceCount;
    this.#held = new Uint32Array(pieceCount);
  }

  /** Members that fetch. */
  get fetching(): number {
    let count = 0;
    for (const { completed } of this.#members.values()) if (completed === undefined) count++;
    return count;
  }

  /** Some member that fetches has the piece. */
  isHeld(piece: number): boolean {
    return this.#held[piece]! > 0;
  }

  /** When it last said anything; undefined for one that is not there, or fetches no more. */
  fetcherHeardAt(member: string): number | undefined {
    const known = this.#members.get(member);
    return known?.completed === undefined ? known?.heardAt : undefined;
  }

  /** The member asks, and has these and no others. One that had all of it begins anew. */
  asks(member: string, bits: Bitfield, now: number): void {
    if (this.#members.get(member)?.completed !== undefined) this.#members.delete(member);
    this.#lose(member, bits);
    this.have(member, bits.runs(), now);
  }

  /** Pieces that a member has now. @returns all that it has */
  have(member: string, runs: readonly Run[], now: number): Bitfield {
    let known = this.#members.get(member);
    if (known === undefined) {
      known = { bits: new Bitfield(this.#pieceCount), came: ++this.#order, heardAt: now };
      this.#members.set(member, known);
    }
    known.heardAt = now;
    for (const piece of piecesOf(runs, this.#pieceCount)) if (known.bits.set(piece)) this.#held[piece]!++;
    return known.bits;
  }

  /** The member, which has said what it has, has all of it, and fetches no more. */
  complete(member: string): void {
    const known = this.#members.get(member);
    if (known === undefined || known.completed !== undefined) return;
    known.completed = ++this.#order;
    for (let piece = 0; piece < this.#pieceCount; piece++) this.#held[piece]!--;
  }

  /** The member is gone, and with it what only it had. */
  leave(member: string): void {
    const known = this.#members.get(member);
    for (const [first, count] of known === undefined || known.completed !== undefined ? [] : known.bits.runs()) {
      for (let piece = first; piece < first + count; piece++) this.#held[piece]!--;
    }
    this.#members.delete(member);
  }

  /** Somebody fetches of whom that is true. */
  someFetch(suits: (member: string) => boolean): boolean {
    return [...this.#members].some(([member, { completed }]) => completed === undefined && suits(member));
  }

  /** Those who fetch and have said nothing since. */
  muteSince(since: number): string[] {
    return [...this.#members].filter(([, { completed, heardAt }]) => completed === undefined && heardAt <= since).map(([member]) => member);
  }

  /**
   * Somebody who fetches saw another have all pieces: the crowd has them, and passes them on to each other. Who had the blob before they all
   * came does not: a crowd reads from it as it reads from the origin, each piece once.
   */
  get hasAll(): boolean {
    let firstCame = Infinity;
    let lastCompleted = 0;
    for (const { came, completed } of this.#members.values()) {
      if (completed === undefined) firstCame = Math.min(firstCame, came);
      else lastCompleted = Math.max(lastCompleted, completed);
    }
    return lastCompleted > firstCame;
  }

  /** What it had and has no more: thrown away as wrong, evicted, or found damaged. */
  #lose(member: string, bits: Bitfield): void {
    const known = this.#members.get(member)?.bits;
    if (known === undefined) return;
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      if (known.has(piece) && !bits.has(piece)) {
        known.clear(piece);
        this.#held[piece]!--;
      }
    }
  }
}
