/** A member that takes so many times as long for a piece as most is slow. */
const SLOW = 2;
/** How much of an earlier pace is left after a newer one. */
const KEPT = 0.7;

interface Pace {
  /** For one piece. */
  readonly ms: number;
  /** When it last read one. */
  readonly at: number;
}

/** How long each member takes to read a piece under its leases. Pure: time is passed in, in ms. */
export class ReadPaces {
  readonly #paces = new Map<string, Pace>();

  /** The member has just read so many pieces, in so long. */
  read(member: string, pieces: number, ms: number, now: number): void {
    const before = this.#paces.get(member)?.ms ?? ms / pieces;
    this.#paces.set(member, { ms: before * KEPT + (ms / pieces) * (1 - KEPT), at: now });
  }

  /** It reads no more. */
  forget(member: string): void {
    this.#paces.delete(member);
  }

  /**
   * The member would take longer than this to read a piece and to pass it on (its uplink is taken to be no faster), and most are faster: of
   * those who have read any in the time that it takes for one, for the others may have stopped.
   */
  outlasts(member: string, ms: number, now: number): boolean {
    const own = this.#paces.get(member);
    if (own === undefined || 2 * own.ms <= ms) return false;
    const recent = [own.ms];
    for (const [other, pace] of this.#paces) if (other !== member && now - pace.at <= own.ms) recent.push(pace.ms);
    recent.sort((a, b) => a - b);
    return own.ms > SLOW * recent[Math.floor((recent.length - 1) / 2)]!;
  }
}
