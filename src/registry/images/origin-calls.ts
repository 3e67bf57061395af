import { errorCode, type ErrorCode, LayerswarmError } from '../../errors.ts';
import type { Origin } from '../../origin/origin.ts';
import { originUnknown } from '../origin-unknown.ts';
import { abortable } from './single-flight.ts';

/** Errors that say nothing about the content: the origin cannot be asked just now. */
const AWAY: ReadonlySet<ErrorCode> = new Set([
  'origin-unknown',
  'origin-unreachable',
  'origin-rate-limited',
  'timeout',
  'unavailable',
  'peer-gone',
]);

export function isOriginAway(error: unknown): boolean {
  return AWAY.has(errorCode(error));
}

export interface OriginCallsOptions {
  readonly origin: () => Origin | undefined;
  readonly now: () => number;
  /** Milliseconds that one call may take. */
  readonly timeoutMs: number;
  /** After a failure, milliseconds until the origin is asked again: no client waits for a time-out that the one before it had. */
  readonly quietMs: number;
  /** Milliseconds for which an answer is proof enough that the origin is there. */
  readonly trustMs: number;
}

/** Calls to the origin with a time-out, remembering whether it is there. */
export class OriginCalls {
  readonly #options: OriginCallsOptions;
  #last: { readonly url: string; readonly at: number; readonly failure: LayerswarmError | undefined } | undefined;
  #probe: Promise<boolean> | undefined;

  constructor(options: OriginCallsOptions) {
    this.#options = options;
  }

  /**
   * @throws what the origin throws; `origin-unknown` without one; `timeout`; at once while the last call failed less than `quietMs` ago
   */
  async ask<T>(call: (origin: Origin, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    const origin = this.#origin();
    const recent = this.#recent(origin, this.#options.quietMs);
    if (recent?.failure !== undefined) throw recent.failure;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await abortable(call(origin, signal), signal);
      this.#note(origin, undefined);
      return answer;
    } catch (error) {
      const failure = signal.aborted
        ? new LayerswarmError('timeout', `the origin ${origin.url} did not answer within ${timeoutMs / 1000} s`, { cause: error })
        : error;
      this.#note(origin, isOriginAway(failure) ? (failure as LayerswarmError) : undefined);
      throw failure;
    }
  }

  /** Whether the origin can be reached, as far as the last calls or, where they are too old, a probe can tell. */
  async reachable(signal: AbortSignal): Promise<boolean> {
    const origin = this.#options.origin();
    if (origin === undefined) return false;
    const failed = this.#recent(origin, this.#options.quietMs);
    if (failed?.failure !== undefined) return false;
    const answered = this.#recent(origin, this.#options.trustMs);
    if (answered !== undefined && answered.failure === undefined) return true;
    this.#probe ??= this.#runProbe(origin).finally(() => {
      this.#probe = undefined;
    });
    return abortable(this.#probe, signal);
  }

  async #runProbe(origin: Origin): Promise<boolean> {
    const signal = AbortSignal.timeout(this.#options.timeoutMs);
    let failure: LayerswarmError | undefined;
    try {
      const health = await abortable(origin.probe(signal), signal);
      if (health.state === 'unreachable' || health.state === 'unknown')
        failure = new LayerswarmError('origin-unreachable', health.reason ?? `the origin ${origin.url} cannot be reached`);
    } catch (error) {
      failure = new LayerswarmError('timeout', `the origin ${origin.url} did not answer within ${this.#options.timeoutMs / 1000} s`, {
        cause: error,
      });
    }
    this.#note(origin, failure);
    return failure === undefined;
  }

  #origin(): Origin {
    const origin = this.#options.origin();
    if (origin === undefined) throw originUnknown();
    return origin;
  }

  #recent(origin: Origin, withinMs: number): { readonly failure: LayerswarmError | undefined } | undefined {
    const last = this.#last;
    return last !== undefined && last.url === origin.url && this.#options.now() - last.at < withinMs ? last : undefined;
  }

  #note(origin: Origin, failure: LayerswarmError | undefined): void {
    this.#last = { url: origin.url, at: this.#options.now(), failure };
  }
}
