import { LayerswarmError } from '../../../errors.ts';
import type { ByteRange } from '../../lane/lane.ts';

/** Small pieces fill a cold swarm faster: 64 KiB reached 1.15 × the bound where 256 KiB reached 1.32 ×. */
const MIN_PIECE_LENGTH = 64 * 1024;
/** A node has a few pieces of each source under way, and all of them may have to come again when their source is lost. */
const USUAL_PIECE_LENGTH = 4 * 1024 * 1024;
/** The crowd is busy from start to end with about so many, and what is done for each of them costs the less the fewer they are. */
const USUAL_PIECES = 1024;
/** Bounds bitfields (2 KiB) and the work of choosing. */
const MAX_PIECES = 16_384;

/** Bytes of a piece: the smallest power of two, from 64 KiB to 4 MiB, that gives no more than 1,024 pieces; beyond 64 GiB 16,384. */
export function pieceLengthFor(size: number): number {
  let length = MIN_PIECE_LENGTH;
  while (length < USUAL_PIECE_LENGTH && size > length * USUAL_PIECES) length *= 2;
  while (size > length * MAX_PIECES) length *= 2;
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
