interface Activity {
  readonly ranges: { readonly start: number; readonly end: number }[];
}

/**
 * Writes under way, by piece. Two writes of the same bytes (an endgame, a retry) reach the disk in any order, so such a piece is
 * `contested`: what it holds is known only from the disk, when it is idle.
 */
export class WriteTracker {
  readonly #active = new Map<number, Activity>();
  readonly #contested = new Set<number>();
  /** Position up to which an incomplete piece was written in order from its start. */
  readonly #written = new Map<number, number>();
  #waiting: (() => void)[] = [];

  /** True when another write under way touches the same bytes. */
  begin(piece: number, start: number, end: number): boolean {
    const activity = this.#active.get(piece);
    if (activity === undefined) {
      this.#active.set(piece, { ranges: [{ start, end }] });
      return false;
    }
    const overlaps = activity.ranges.some((range) => range.start < end && start < range.end);
    activity.ranges.push({ start, end });
    return overlaps;
  }

  end(piece: number, start: number, end: number): void {
    const { ranges } = this.#active.get(piece)!;
    ranges.splice(
      ranges.findIndex((range) => range.start === start && range.end === end),
      1,
    );
    if (ranges.length > 0) return;
    this.#active.delete(piece);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  active(piece: number): boolean {
    return this.#active.has(piece);
  }

  activePieces(): Iterable<number> {
    return this.#active.keys();
  }

  contest(piece: number): void {
    this.#contested.add(piece);
    this.#written.delete(piece);
  }

  /** A write that was the only one of the piece has reached the file. @param pieceStart where the piece begins */
  wrote(piece: number, pieceStart: number, start: number, end: number): void {
    if (start <= this.writtenTo(piece, pieceStart) && !this.#contested.has(piece)) this.#written.set(piece, end);
  }

  /** The file holds an incomplete piece from its start up to here, and nothing is about to change that. */
  writtenTo(piece: number, pieceStart: number): number {
    return this.#written.get(piece) ?? pieceStart;
  }

  /** What the piece holds is of no use any more. */
  forget(piece: number): void {
    this.#written.delete(piece);
  }

  contested(piece: number): boolean {
    return this.#contested.has(piece);
  }

  /** The piece is complete, and takes no more writes. */
  settle(piece: number): void {
    this.#contested.delete(piece);
    this.#written.delete(piece);
  }

  /** Resolves when nothing is being written, to `piece` or at all. */
  async idle(piece?: number): Promise<void> {
    while (piece === undefined ? this.#active.size > 0 : this.#active.has(piece)) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }
}
