import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  /** Milliseconds; generous, since it only ends a wait that would never end. */
  readonly deadline?: number;
  /** Milliseconds between two looks. */
  readonly interval?: number;
  /** Thrown instead of waiting on, e.g. when the process that should bring the state about is gone. */
  readonly giveUp?: () => Error | undefined;
}

export const DEFAULT_DEADLINE = 120_000;

/** Looks until `look` gives something other than undefined or false. What it throws counts as "not yet". */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { deadline = DEFAULT_DEADLINE, interval = 50, giveUp }: WaitOptions = {},
): Promise<T> {
  const end = performance.now() + deadline;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    const reason = giveUp?.();
    if (reason !== undefined) throw reason;
    if (performance.now() > end) throw new Error(`waited ${deadline} ms for ${what}`, { cause: last });
    await delay(interval);
  }
}
