import type { Bitfield, Run } from './bitfield.ts';
import type { PieceTable } from './piece-table.ts';

/** A run of wanted pieces that `has` holds, the first in order from `from` on, no longer than `longest` and below `before`. */
export function pickInOrder(table: PieceTable, has: Bitfield, from: number, before: number, longest: number): Run | undefined {
  for (let piece = from; piece < Math.min(before, table.layout.pieceCount); piece++) {
    if (table.wanted(piece) && has.has(piece)) return extend(table, has, piece, longest, anyPiece);
  }
  return undefined;
}

/**
 * A run that starts at an offered piece that `has` holds and the fewest other neighbours have; equals are drawn by `random` in [0, 1).
 * All its pieces pass `may`.
 */
export function pickRarest(
  table: PieceTable,
  has: Bitfield,
  longest: number,
  random: () => number,
  may: (piece: number) => boolean = anyPiece,
): Run | undefined {
  const { availability, offered } = table;
  let best = -1;
  let fewest = Infinity;
  let equals = 0;
  for (let i = 0; i < offered.size; i++) {
    const piece = offered.pieces[i]!;
    const count = availability[piece]!;
    if (count > fewest || !has.has(piece) || !may(piece)) continue;
    if (count < fewest) {
      best = piece;
      fewest = count;
      equals = 1;
    } else if (random() < 1 / ++equals) {
      best = piece;
    }
  }
  return best < 0 ? undefined : extend(table, has, best, longest, may);
}

function extend(table: PieceTable, has: Bitfield, first: number, longest: number, may: (piece: number) => boolean): Run {
  let count = 1;
  while (
    count < longest &&
    first + count < table.layout.pieceCount &&
    table.wanted(first + count) &&
    has.has(first + count) &&
    may(first + count)
  )
    count++;
  return [first, count];
}

function anyPiece(): boolean {
  return true;
}
