import { LayerswarmError } from '../errors.ts';
import type { Clock } from './clock.ts';
import type { OriginHealth } from './origin.ts';

/** Outages in a row after which requests fail at once. */
const FAILURES_TO_OPEN = 3;
/** Milliseconds until the first try after that; doubles with each that fails. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;
/** What a pull met is shown this long although probes are answered since: `/v2/` may answer where nothing else does. */
const TROUBLE_SHOWN = 60_000;
/** While blob bytes came so lately, a probe without an answer shows a registry that is busy, not one that is away. */
const BUSY_WITHIN = 10_000;
/** Statuses and failures that are counted by themselves; what else there may be counts as `other`. */
const MAX_CODES = 64;

/**
 * closed: requests pass. open: the registry is down; requests fail at once until `until`. half-open: one request is out to see
 * whether it is back, all others still fail at once.
 */
type Circuit =
  | { readonly kind: 'closed'; readonly outages: number }
  | { readonly kind: 'open'; readonly pause: number; readonly until: number; readonly reason: string }
  | { readonly kind: 'half-open'; readonly pause: number; readonly reason: string };

/**
 * `connection`: the registry could not be reached, which the next answer disproves. `answer`: it was reached and cannot do its work, or
 * said nothing in time, which only an answer to the same kind of request disproves.
 */
export type OutageKind = 'connection' | 'answer';

/** One request's passage; exactly one of its methods is called, once, when it is known how the registry fared. */
export interface Passage {
  succeeded(): void;
  outage(reason: string, kind?: OutageKind): void;
  /** It was reached, and failed at this one request. */
  failed(reason: string): void;
  /** The caller gave up, or the failure says nothing about the registry. */
  inconclusive(): void;
}

/** What this node knows of the registry's state. A request asks `enter` first, so that a registry that is down costs nobody a time-out. */
export class Health {
  readonly #clock: Clock;
  readonly #registry: string;
  readonly #failuresToOpen: number;
  #circuit: Circuit = { kind: 'closed', outages: 0 };
  #unauthorized: string | undefined;
  /** Why the last probe was not answered. */
  #probeFailed: string | undefined;
  /** What the last pulls met that a probe does not disprove. */
  #trouble: { readonly reason: string; readonly at: number } | undefined;
  #lastReason: string | undefined;
  #reachedAt: number | undefined;
  #bytesAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  readonly #answers = new Map<string, number>();

  /** @param failuresToOpen outages in a row after which requests fail at once; `Infinity` for callers that wait by themselves */
  constructor(registry: string, clock: Clock, failuresToOpen = FAILURES_TO_OPEN) {
    this.#failuresToOpen = failuresToOpen;
    this.#registry = registry;
    this.#clock = clock;
  }

  /** What pulls saw counts for more than what the last probe did. */
  snapshot(): OriginHealth {
    const trouble = this.#trouble !== undefined && this.#clock.now() - this.#trouble.at < TROUBLE_SHOWN ? this.#trouble.reason : undefined;
    return this.#health(trouble ?? this.#probeFailed);
  }

  /** As the last probe alone has it. */
  probed(): OriginHealth {
    return this.#health(this.#probeFailed);
  }

  countBytes(bytes: number): void {
    this.#bytes += bytes;
    this.#bytesAt = this.#clock.now();
  }

  /** An answer of that status, or a failure by that name. */
  countAnswer(code: string): void {
    const key = this.#answers.has(code) || this.#answers.size < MAX_CODES ? code : 'other';
    this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1);
  }

  /** @throws LayerswarmError `origin-unreachable` while the registry is down; `force` goes through all the same, for probes. */
  enter(force = false): Passage {
    const circuit = this.#circuit;
    if (!force && (circuit.kind === 'half-open' || (circuit.kind === 'open' && this.#clock.now() < circuit.until))) {
      throw new LayerswarmError(
        'origin-unreachable',
        `the origin ${this.#registry} is down: ${circuit.reason}; it is tried again within ${Math.ceil(circuit.pause / 1000)} s`,
      );
    }
    if (circuit.kind === 'open') this.#circuit = { kind: 'half-open', pause: circuit.pause, reason: circuit.reason };
    return this.#passage(force);
  }

  /** The registry, or its token service, does not take the credentials. Ends with the next answer that took them. */
  refused(reason: string): void {
    this.#unauthorized = reason;
  }

  authorized(): void {
    this.#unauthorized = undefined;
  }

  #health(trouble: string | undefined): OriginHealth {
    const circuit = this.#circuit;
    const facts = { bytes: this.#bytes, answers: this.#answers, ...(this.#reachedAt === undefined ? {} : { reachedAt: this.#reachedAt }) };
    const reason = circuit.kind === 'closed' ? undefined : circuit.reason;
    if (reason !== undefined) return { state: 'unreachable', reason, ...facts };
    if (this.#unauthorized !== undefined) return { state: 'unauthorized', reason: this.#unauthorized, ...facts };
    const away = trouble ?? (this.#reachedAt === undefined ? this.#lastReason : undefined);
    if (away !== undefined) return { state: 'unreachable', reason: away, ...facts };
    return { state: this.#reachedAt === undefined ? 'unknown' : 'ok', ...facts };
  }

  #passage(isProbe: boolean): Passage {
    let open = true;
    const report = (what: () => void): void => {
      if (!open) throw new Error('a passage is reported on once');
      open = false;
      what();
    };
    return {
      succeeded: () => {
        report(() => this.#succeeded(isProbe));
      },
      outage: (reason, kind = 'connection') => {
        report(() => this.#outage(reason, kind, isProbe));
      },
      failed: (reason) => {
        report(() => this.#failed(reason, isProbe));
      },
      inconclusive: () => {
        report(() => this.#inconclusive());
      },
    };
  }

  /** any -> closed */
  #succeeded(isProbe: boolean): void {
    this.#circuit = { kind: 'closed', outages: 0 };
    this.#lastReason = undefined;
    this.#probeFailed = undefined;
    this.#reachedAt = this.#clock.date();
    if (!isProbe) this.#trouble = undefined;
  }

  /** any -> closed: it was reached. */
  #failed(reason: string, isProbe: boolean): void {
    this.#circuit = { kind: 'closed', outages: 0 };
    if (isProbe) this.#probeFailed = reason;
    else this.#trouble = { reason, at: this.#clock.now() };
    this.#lastReason = reason;
  }

  /** closed -> closed | open, half-open -> open with twice the pause; open stays: an older request came to its end. */
  #outage(reason: string, kind: OutageKind, isProbe: boolean): void {
    const now = this.#clock.now();
    if (isProbe) {
      if (kind === 'answer' && now - this.#bytesAt < BUSY_WITHIN) {
        this.#inconclusive();
        return;
      }
      this.#probeFailed = reason;
    } else if (kind === 'answer') {
      this.#trouble = { reason, at: now };
    }
    const circuit = this.#circuit;
    this.#lastReason = reason;
    if (circuit.kind === 'closed') {
      const outages = circuit.outages + 1;
      this.#circuit = outages < this.#failuresToOpen ? { kind: 'closed', outages } : this.#opened(FIRST_PAUSE, reason);
    } else if (circuit.kind === 'half-open') {
      this.#circuit = this.#opened(Math.min(LONGEST_PAUSE, circuit.pause * 2), reason);
    }
  }

  /** half-open -> open, due at once: the next request finds out. */
  #inconclusive(): void {
    const circuit = this.#circuit;
    if (circuit.kind === 'half-open')
      this.#circuit = { kind: 'open', pause: circuit.pause, until: this.#clock.now(), reason: circuit.reason };
  }

  #opened(pause: number, reason: string): Circuit {
    // jitter: hosts that lost the registry together do not come back in step
    return { kind: 'open', pause, reason, until: this.#clock.now() + pause * (0.75 + this.#clock.random() / 4) };
  }
}
