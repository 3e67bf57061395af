/** A set of pieces that is cheap to change and to walk through, in no particular order. */
export class PieceSet {
  /** The first `size` of these are in the set. */
  readonly pieces: Uint16Array;
  size = 0;
  /** Where each piece is in `pieces`, plus one; 0 when it is not there. */
  readonly #places: Uint16Array;

  constructor(pieceCount: number) {
    this.pieces = new Uint16Array(pieceCount);
    this.#places = new Uint16Array(pieceCount);
  }

  static full(pieceCount: number): PieceSet {
    const set = new PieceSet(pieceCount);
    for (let piece = 0; piece < pieceCount; piece++) set.put(piece, true);
    return set;
  }

  has(piece: number): boolean {
    return this.#places[piece] !== 0;
  }

  put(piece: number, inside: boolean): void {
    const place = this.#places[piece]!;
    if (inside === place > 0) return;
    if (inside) {
      this.pieces[this.size++] = piece;
      this.#places[piece] = this.size;
      return;
    }
    const last = this.pieces[--this.size]!;
    this.pieces[place - 1] = last;
    this.#places[last] = place;
    this.#places[piece] = 0;
  }
}
