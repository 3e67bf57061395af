import type { Bitfield } from './bitfield.ts';

/** What the choice of pieces looks at; all of it plain numbers, so that it can be run anywhere. */
export interface PickView {
  readonly pieceCount: number;
  /** Neighbours that fetch the blob and have each piece. */
  readonly availability: Uint32Array;
  /** Missing, and nobody is bringing it. */
  wanted(piece: number): boolean;
}

/** A run of wanted pieces that `has` holds, the first in order from `from` on, no longer than `longest` and below `before`. */
export function pickInOrder(view: PickView, has: Bitfield, from: number, before: number, longest: number): [number, number] | undefined {
  for (let piece = from; piece < Math.min(before, view.pieceCount); piece++) {
    if (view.wanted(piece) && has.has(piece)) return extend(view, has, piece, longest);
  }
  return undefined;
}

/** A run that starts at a rarest wanted piece that `has` holds; equals are drawn by `random` in [0, 1). */
export function pickRarest(view: PickView, has: Bitfield, longest: number, random: () => number): [number, number] | undefined {
  let best = -1;
  let rarity = Infinity;
  let equals = 0;
  for (let piece = 0; piece < view.pieceCount; piece++) {
    if (!view.wanted(piece) || !has.has(piece)) continue;
    const count = view.availability[piece]!;
    if (count < rarity) {
      best = piece;
      rarity = count;
      equals = 1;
    } else if (count === rarity && random() < 1 / ++equals) {
      best = piece;
    }
  }
  return best < 0 ? undefined : extend(view, has, best, longest);
}

function extend(view: PickView, has: Bitfield, first: number, longest: number): [number, number] {
  let count = 1;
  while (count < longest && first + count < view.pieceCount && view.wanted(first + count) && has.has(first + count)) count++;
  return [first, count];
}
