/** Parts that a blob is shown in, whatever its size: bounded, and one letter each on a page and in a terminal. */
export const STRIP_CELLS = 48;
/** What a part is: not here, here before the transfer began, read from the origin, or from the peer of that number in the transfer's list. */
export const CELL = { missing: 0, here: 1, origin: 2, firstPeer: 3, otherPeer: 255 } as const;

/** Of one piece. `peer`: who sent it, undefined for the origin. */
export type PieceSource = 'missing' | 'here' | { readonly peer: string | undefined };

/**
 * Pure: where in a blob what came from: each cell tells of the piece in the middle of its part, so that as many cells are filled as pieces
 * have come, in whatever order they come. One byte a cell, as in `CELL`.
 */
export function makeStrip(pieceCount: number, sourceOf: (piece: number) => PieceSource, peers: Iterable<string>): Uint8Array {
  const codes = new Map([...peers].map((peer, index) => [peer, Math.min(CELL.firstPeer + index, CELL.otherPeer)]));
  return Uint8Array.from({ length: STRIP_CELLS }, (_, cell) => {
    const source = sourceOf(Math.floor(((cell + 0.5) * pieceCount) / STRIP_CELLS));
    if (source === 'missing' || source === 'here') return CELL[source];
    return source.peer === undefined ? CELL.origin : (codes.get(source.peer) ?? CELL.otherPeer);
  });
}
