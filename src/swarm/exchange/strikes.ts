import { BoundedMap } from '../../bounded-map.ts';

const WINDOW_MS = 60 * 60 * 1000;
/** So often one may be wrong, each time after it was told of the last, and still be thought unlucky. */
const TOLERATED = 2;
/** For so long others are to read from the origin in its place. */
const DOUBT_MS = 10 * 60 * 1000;
/** Members that are remembered. */
const MAX_MEMBERS = 1000;

/**
 * How often members brought wrong bytes and did not stand by them, this node among them: an origin or a disk that was bad once explains
 * that once. Whoever is told, and brings wrong ones again and again while the others do not, is no victim.
 */
export class Strikes {
  readonly #times = new BoundedMap<string, number[]>(MAX_MEMBERS);
  readonly #onStrike: (member: string, at: number) => void;

  /** @param onStrike told of each one that counts, so that other threads hear of it */
  constructor(onStrike: (member: string, at: number) => void = () => undefined) {
    this.#onStrike = onStrike;
  }

  /**
   * The member was wrong about a blob whose transfer began at `begunAt`; true when that is too often, compared with `others`. What it brought
   * before it was told of the last time counts together with that.
   */
  add(member: string, begunAt: number, others: Iterable<string>, now: number): boolean {
    const times = this.#recent(member, now);
    if ((times.at(-1) ?? -Infinity) < begunAt) {
      times.push(now);
      this.#times.set(member, times);
      this.#onStrike(member, now);
    }
    const counts = [...others]
      .filter((other) => other !== member)
      .map((other) => this.#recent(other, now).length)
      .sort((a, b) => a - b);
    const usual = counts[Math.floor(counts.length / 2)] ?? 0;
    return times.length > TOLERATED + 2 * usual;
  }

  /** It was wrong a short while ago: the origin may serve it badly, or it lies. */
  isDoubted(member: string, now: number): boolean {
    return now - (this.#times.get(member)?.at(-1) ?? -Infinity) < DOUBT_MS;
  }

  /** Another thread counted it. */
  heard(member: string, at: number): void {
    this.#times.set(
      member,
      [...this.#recent(member, at), at].sort((a, b) => a - b),
    );
  }

  #recent(member: string, now: number): number[] {
    return (this.#times.get(member) ?? []).filter((time) => now - time < WINDOW_MS);
  }
}
