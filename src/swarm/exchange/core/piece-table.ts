import { Bitfield, type Run } from './bitfield.ts';
import type { PieceLayout } from './piece-layout.ts';
import { PieceSet } from './piece-set.ts';

/**
 * What is known of each piece of one blob. Every change keeps the sets that choosing looks at up to date, so that a choice costs
 * what there is to choose from, whatever the blob's size and the number of neighbours.
 */
export class PieceTable {
  readonly layout: PieceLayout;
  readonly have: Bitfield;
  /** Pieces that may be given to others: their bytes are vouched for. */
  readonly servable: Bitfield;
  /** Neighbours that fetch the blob and have the piece. */
  readonly availability: Uint32Array;
  /** Requests and reads under way that cover the piece. */
  readonly coming: Uint16Array;
  /** Missing, nobody is bringing them, and fetching neighbours have them. */
  readonly offered: PieceSet;
  /** Missing, and nobody known brings or has them: they have to be brought into the crowd. */
  readonly unclaimed: PieceSet;
  /** When the piece was first seen at a neighbour that fetches, in ms; 0 when never. */
  readonly #seenAt: Float64Array;
  #firstMissing = 0;

  constructor(layout: PieceLayout) {
    const { pieceCount } = layout;
    this.layout = layout;
    this.have = new Bitfield(pieceCount);
    this.servable = new Bitfield(pieceCount);
    this.availability = new Uint32Array(pieceCount);
    this.coming = new Uint16Array(pieceCount);
    this.offered = new PieceSet(pieceCount);
    this.unclaimed = PieceSet.full(pieceCount);
    this.#seenAt = new Float64Array(pieceCount);
  }

  /** Missing, and nobody is bringing it. */
  wanted(piece: number): boolean {
    return this.coming[piece] === 0 && !this.have.has(piece);
  }

  /** True when the piece was missing. */
  got(piece: number): boolean {
    if (!this.have.set(piece)) return false;
    this.#sort(piece);
    return true;
  }

  forget(piece: number): void {
    this.have.clear(piece);
    this.servable.clear(piece);
    this.#firstMissing = Math.min(this.#firstMissing, piece);
    this.#sort(piece);
  }

  claim(run: Run): void {
    this.#carry(run, 1);
  }

  release(run: Run): void {
    this.#carry(run, -1);
  }

  /** A fetching neighbour has the piece (1), or has it no more (-1). */
  seen(piece: number, sign: 1 | -1, now: number): void {
    this.availability[piece]! += sign;
    this.#seenAt[piece] ||= now;
    this.#sort(piece);
  }

  seenBefore(piece: number, time: number): boolean {
    return this.#seenAt[piece]! > 0 && this.#seenAt[piece]! < time;
  }

  firstMissing(): number {
    while (this.#firstMissing < this.layout.pieceCount && this.have.has(this.#firstMissing)) this.#firstMissing++;
    return this.#firstMissing;
  }

  #carry([first, count]: Run, sign: 1 | -1): void {
    for (let piece = first; piece < first + count; piece++) {
      this.coming[piece]! += sign;
      this.#sort(piece);
    }
  }

  #sort(piece: number): void {
    const wanted = this.wanted(piece);
    const isSeen = this.availability[piece]! > 0;
    this.offered.put(piece, wanted && isSeen);
    this.unclaimed.put(piece, wanted && !isSeen);
  }
}
