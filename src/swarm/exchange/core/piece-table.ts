import { Bitfield, type Run } from './bitfield.ts';
import type { PieceLayout } from './piece-layout.ts';

/** What is known of each piece of one blob, counted so that choosing does not look at every neighbour for every piece. */
export class PieceTable {
  readonly layout: PieceLayout;
  readonly have: Bitfield;
  /** Pieces that may be given to others: their bytes are vouched for. */
  readonly servable: Bitfield;
  /** Neighbours that fetch the blob and have the piece. */
  readonly availability: Uint32Array;
  /** Requests and reads under way that cover the piece. */
  readonly coming: Uint16Array;
  /** Neighbours that said they will push the piece here. */
  readonly promises: Uint16Array;
  /** When the piece was first seen at a neighbour that fetches, in ms; 0 when never. */
  readonly seenAt: Float64Array;

  constructor(layout: PieceLayout) {
    const { pieceCount } = layout;
    this.layout = layout;
    this.have = new Bitfield(pieceCount);
    this.servable = new Bitfield(pieceCount);
    this.availability = new Uint32Array(pieceCount);
    this.coming = new Uint16Array(pieceCount);
    this.promises = new Uint16Array(pieceCount);
    this.seenAt = new Float64Array(pieceCount);
  }

  /** Missing, and nobody is bringing it. */
  wanted(piece: number): boolean {
    return this.coming[piece] === 0 && this.promises[piece] === 0 && !this.have.has(piece);
  }

  /** Wanted, and no fetching neighbour has it: it has to be brought into the crowd. */
  unclaimed(piece: number): boolean {
    return this.availability[piece] === 0 && this.wanted(piece);
  }

  claim([first, count]: Run): void {
    for (let piece = first; piece < first + count; piece++) this.coming[piece]!++;
  }

  release([first, count]: Run): void {
    for (let piece = first; piece < first + count; piece++) this.coming[piece]!--;
  }

  /** A fetching neighbour with these pieces came (1) or went (-1). */
  count(bits: Bitfield, sign: 1 | -1): void {
    for (const run of bits.runs()) for (const piece of this.within(run)) this.availability[piece]! += sign;
  }

  see(piece: number, now: number): void {
    this.seenAt[piece] ||= now;
  }

  /** The pieces of a run, those beyond the blob's end left out. */
  *within([first, count]: Run): Generator<number> {
    for (let piece = first; piece < Math.min(first + count, this.layout.pieceCount); piece++) yield piece;
  }

  firstMissing(): number {
    let piece = 0;
    while (piece < this.layout.pieceCount && this.have.has(piece)) piece++;
    return piece;
  }
}
