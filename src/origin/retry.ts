import type { Clock } from './clock.ts';
import { AttemptFailed } from './origin-error.ts';

export interface RetryPolicy {
  /** Tries in all. */
  readonly attempts: number;
  /** Longest first pause, in ms; it doubles with each. */
  readonly baseMs: number;
  /** Longest pause, in ms. */
  readonly maxMs: number;
  /** No try begins later than this after the first. */
  readonly deadlineMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 4, baseMs: 200, maxMs: 5_000, deadlineMs: 30_000 };

/** Full jitter: anything up to the exponential bound, so that hosts which failed together do not come back together. */
export function backoff(failures: number, policy: RetryPolicy, random: number): number {
  return random * Math.min(policy.maxMs, policy.baseMs * 2 ** (failures - 1));
}

/** Milliseconds that a Retry-After header asks for (RFC 9110 §10.2.3): seconds, or a date against `now`; undefined when it is neither. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/**
 * Runs `attempt` until it succeeds, fails for good (anything but a transient `AttemptFailed`), or the policy ends. A pause that
 * the registry asks for counts against the deadline, and is not begun when it would not fit. Only for what may be repeated.
 * @throws the LayerswarmError of the last failure
 */
export async function withRetry<T>(
  policy: RetryPolicy,
  clock: Clock,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const end = clock.now() + policy.deadlineMs;
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof AttemptFailed)) throw error;
      const { failure } = error;
      const pause = Math.max(failure.retryAfter ?? 0, backoff(failures, policy, clock.random()));
      if (!failure.transient || failures >= policy.attempts || clock.now() + pause > end) throw failure.error;
      await clock.sleep(pause, signal);
    }
  }
}
