/** A member that takes so many times as long for a piece as most is slow. */
const SLOW = 2;
/** How much of an earlier pace is left after a newer one. */
const KEPT = 0.7;

/** How long each member takes to read a piece under its leases, in ms. */
export class ReadPaces {
  readonly #msByMember = new Map<string, number>();

  /** The member read so many pieces in so long. */
  read(member: string, pieces: number, ms: number): void {
    const before = this.#msByMember.get(member) ?? ms / pieces;
    this.#msByMember.set(member, before * KEPT + (ms / pieces) * (1 - KEPT));
  }

  /** It reads no more. */
  forget(member: string): void {
    this.#msByMember.delete(member);
  }

  /** The member is slow, and would take longer than this to read a piece and to pass it on: its uplink is taken to be no faster. */
  outlasts(member: string, ms: number): boolean {
    const own = this.#msByMember.get(member);
    if (own === undefined || 2 * own <= ms) return false;
    const all = [...this.#msByMember.values()].sort((a, b) => a - b);
    return own > SLOW * all[Math.floor((all.length - 1) / 2)]!;
  }
}
