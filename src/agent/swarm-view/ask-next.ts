/** A member is asked no more often than this. */
const SOONEST_MS = 2000;
/** One that has nothing going on is asked the more rarely the more there are, so that all of them together take little: so many ms a member, */
const IDLE_MS_A_MEMBER = 200;
/** and this at most. */
const IDLE_MS = 15_000;
/** One that has something going on goes before those that have not. */
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
  const idleMs = Math.min(IDLE_MS, Math.max(SOONEST_MS, members.length * IDLE_MS_A_MEMBER));
  return members
    .filter(({ askedAt, isAsking, isBusy }) => !isAsking && (askedAt === undefined || now - askedAt >= (isBusy ? SOONEST_MS : idleMs)))
    .map((member) => ({
      member,
      due: member.askedAt === undefined ? Infinity : (now - member.askedAt) * (member.isBusy ? BUSY_WEIGHT : 1),
    }))
    .sort((a, b) => (a.due === b.due ? 0 : b.due - a.due))
    .slice(0, count)
    .map(({ member }) => member);
}
