/** A download that has nothing yet and finds nobody to ask fails after this, … */
const NOBODY_MS = 500;
/** … one that has pieces waits longer for help to come back. */
const STARVED_MS = 10_000;

/** Notices when nobody can help a download any more: soon where nothing was ever under way, later where it ran dry. Times are in ms. */
export class HelplessWatch {
  #since: number | undefined;

  /** Somebody can help, or may be able to soon. */
  helped(): void {
    this.#since = undefined;
  }

  /** Nobody can help now. @param hasHope what is here is worth waiting for; @returns whether that has lasted long enough */
  helpless(hasHope: boolean, now: number): boolean {
    this.#since ??= now;
    return now - this.#since >= (hasHope ? STARVED_MS : NOBODY_MS);
  }
}
