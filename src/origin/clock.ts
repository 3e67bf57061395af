import { setTimeout as sleep } from 'node:timers/promises';

/** Time and chance as the client of the origin uses them; tests bring their own. */
export interface Clock {
  /** Monotonic milliseconds, from an arbitrary point that all threads share. */
  now(): number;
  /** Milliseconds since the epoch, for dates in headers. */
  date(): number;
  /** In [0, 1). */
  random(): number;
  /** Rejects with an AbortError when `signal` ends the wait. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  date: () => Date.now(),
  random: () => Math.random(),
  sleep: async (milliseconds, signal) => {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  },
};
