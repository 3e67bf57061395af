import { LayerswarmError } from '../../../errors.ts';
import type { ByteRange } from '../../lane/lane.ts';

/** Small pieces fill a cold swarm faster: 64 KiB reached 1.15 × the bound where 256 KiB reached 1.32 ×. */
const MIN_PIECE_LENGTH = 64 * 1024;
/** Bounds bitfields (2 KiB) and the work of choosing. */
const MAX_PIECES = 16_384;

/** Bytes of a piece: the smallest power of two, 64 KiB at least, that gives no more than 16,384 pieces. */
export function pieceLengthFor(size: number): number {
  let length = MIN_PIECE_LENGTH;
  while (Math.ceil(size / length) > MAX_PIECES) length *= 2;
  return length;
}

/** How a blob of `size` bytes is cut into pieces. */
export class PieceLayout {
  readonly size: number;
  readonly pieceLength: number;
  readonly pieceCount: number;

  constructor(size: number, pieceLength = pieceLengthFor(size)) {
    this.size = size;
    this.pieceLength = pieceLength;
    this.pieceCount = Math.ceil(size / pieceLength);
  }

  /** The layout that a peer speaks of. @throws LayerswarmError `peer-misbehaved` when it has more pieces than any may have */
  static received(size: number, pieceLength: number): PieceLayout {
    if (Math.ceil(size / pieceLength) > MAX_PIECES) {
      throw new LayerswarmError('peer-misbehaved', `pieces of ${pieceLength} bytes are too small for a blob of ${size}`);
    }
    return new PieceLayout(size, pieceLength);
  }

  /** Bytes of `count` pieces from `first` on; the last piece of the blob may be short. */
  range(first: number, count = 1): ByteRange {
    return { start: first * this.pieceLength, end: Math.min(this.size, (first + count) * this.pieceLength) };
  }

  bytes(first: number, count = 1): number {
    const { start, end } = this.range(first, count);
    return end - start;
  }

  pieceAt(offset: number): number {
    return Math.floor(offset / this.pieceLength);
  }

  /** Pieces that lie wholly inside [start, end), as [first, count]. */
  piecesWithin(start: number, end: number): [number, number] {
    const first = Math.ceil(start / this.pieceLength);
    const after = end === this.size ? this.pieceCount : Math.floor(end / this.pieceLength);
    return [first, Math.max(0, after - first)];
  }
}
