import { LayerswarmError } from '../../errors.ts';

/** Where the pieces of a blob lie: all of one length, the last as long as what is left. All in bytes. */
export class PieceRanges {
  readonly #size: number;
  readonly #pieceLength: number;
  readonly #count: number;

  constructor(size: number, pieceLength: number, count: number) {
    this.#size = size;
    this.#pieceLength = pieceLength;
    this.#count = count;
  }

  /** The end of the blob for the piece behind the last. */
  startOf(piece: number): number {
    return Math.min(this.#size, piece * this.#pieceLength);
  }

  lengthOf(piece: number): number {
    return this.startOf(piece + 1) - this.startOf(piece);
  }

  /** The piece that these bytes are in. @throws `range-invalid` when they are not all in one */
  at(offset: number, length: number): number {
    const piece = Math.floor(offset / this.#pieceLength);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > this.#size || offset + length > this.startOf(piece + 1)) {
      throw new LayerswarmError(
        'range-invalid',
        `expected bytes within one piece of ${this.#pieceLength} and within ${this.#size}, received ${length} bytes at ${offset}`,
      );
    }
    return piece;
  }

  /** @throws `range-invalid` */
  check(piece: number): void {
    if (!Number.isInteger(piece) || piece < 0 || piece >= this.#count) {
      throw new LayerswarmError('range-invalid', `expected a piece below ${this.#count}, received ${piece}`);
    }
  }
}
