/** A member is asked no more often than this. */
const SOONEST_MS = 2000;
/** One that has something going on is asked so many times as often as one that has not. */
const BUSY_WEIGHT = 4;

export interface Askable {
  /** Monotonic ms; undefined before the first time. */
  readonly askedAt: number | undefined;
  /** A question is open. */
  readonly isAsking: boolean;
  /** It moves bytes. */
  readonly isBusy: boolean;
}

/** Pure: whom to ask now, at most `count` of them: whoever was not asked yet, then those who wait for the longest. */
export function askNext<M extends Askable>(members: readonly M[], count: number, now: number): M[] {
  return members
    .filter(({ askedAt, isAsking }) => !isAsking && (askedAt === undefined || now - askedAt >= SOONEST_MS))
    .map((member) => ({
      member,
      due: member.askedAt === undefined ? Infinity : (now - member.askedAt) * (member.isBusy ? BUSY_WEIGHT : 1),
    }))
    .sort((a, b) => (a.due === b.due ? 0 : b.due - a.due))
    .slice(0, count)
    .map(({ member }) => member);
}
