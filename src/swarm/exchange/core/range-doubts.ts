/**
 * Who is doubted where the bytes of a range are known to be wrong, and nothing says which of them: one at a time of those who brought them.
 * A range that is wrong without what that one brought was not its fault, unless the other has been doubted for it before: then both are wrong.
 */
export class RangeDoubts {
  #range: number | undefined;
  #doubted: string | undefined;
  /** All who were doubted for this range. */
  readonly #before = new Set<string>();

  /**
   * @param bringers of each piece of the range whose bringer is known
   * @param suspects whose other pieces were wrong
   * @returns a suspect among them, else whoever brought most of it, if anybody; and who was doubted for this range before, and is cleared of it
   */
  next(
    range: number,
    bringers: readonly string[],
    suspects: ReadonlySet<string>,
  ): { readonly doubted: string | undefined; readonly cleared: string | undefined } {
    const pieces = new Map<string, number>();
    for (const bringer of bringers) pieces.set(bringer, (pieces.get(bringer) ?? 0) + 1);
    const [doubted] = [...pieces].toSorted(([a, ofA], [b, ofB]) => Number(suspects.has(b)) - Number(suspects.has(a)) || ofB - ofA)[0] ?? [];
    if (range !== this.#range) {
      this.#before.clear();
      this.#doubted = undefined;
    }
    const cleared = doubted === undefined || !this.#before.has(doubted) ? this.#doubted : undefined;
    if (doubted !== undefined) this.#before.add(doubted);
    this.#range = range;
    this.#doubted = doubted;
    return { doubted, cleared };
  }
}
