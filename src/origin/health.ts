import { LayerswarmError } from '../errors.ts';
import type { Clock } from './clock.ts';
import type { OriginHealth } from './origin.ts';

/** Outages in a row after which requests fail at once. */
const FAILURES_TO_OPEN = 3;
/** Milliseconds until the first try after that; doubles with each that fails. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;

/**
 * closed: requests pass. open: the registry is down; requests fail at once until `until`. half-open: one request is out to see
 * whether it is back, all others still fail at once.
 */
type Circuit =
  | { readonly kind: 'closed'; readonly outages: number }
  | { readonly kind: 'open'; readonly pause: number; readonly until: number; readonly reason: string }
  | { readonly kind: 'half-open'; readonly pause: number; readonly reason: string };

/** One request's passage; exactly one of its methods is called, once, when it is known how the registry fared. */
export interface Passage {
  succeeded(): void;
  outage(reason: string): void;
  /** The caller gave up, or the failure says nothing about the registry. */
  inconclusive(): void;
}

/** What this node knows of the registry's state. A request asks `enter` first, so that a registry that is down costs nobody a time-out. */
export class Health {
  readonly #clock: Clock;
  readonly #registry: string;
  readonly #failuresToOpen: number;
  #circuit: Circuit = { kind: 'closed', outages: 0 };
  #seen: 'unknown' | 'ok' = 'unknown';
  #unauthorized: string | undefined;
  #lastReason: string | undefined;
  #bytes = 0;

  /** @param failuresToOpen outages in a row after which requests fail at once; `Infinity` for callers that wait by themselves */
  constructor(registry: string, clock: Clock, failuresToOpen = FAILURES_TO_OPEN) {
    this.#failuresToOpen = failuresToOpen;
    this.#registry = registry;
    this.#clock = clock;
  }

  snapshot(): OriginHealth {
    const circuit = this.#circuit;
    if (circuit.kind !== 'closed') return { state: 'unreachable', reason: circuit.reason, bytes: this.#bytes };
    if (this.#unauthorized !== undefined) return { state: 'unauthorized', reason: this.#unauthorized, bytes: this.#bytes };
    if (this.#seen === 'unknown' && this.#lastReason !== undefined) return { state: 'unreachable', reason: this.#lastReason, bytes: this.#bytes };
    return { state: this.#seen, bytes: this.#bytes };
  }

  countBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  /** @throws LayerswarmError `origin-unreachable` while the registry is down; `force` goes through all the same, for probes. */
  enter(force = false): Passage {
    const circuit = this.#circuit;
    if (!force && (circuit.kind === 'half-open' || (circuit.kind === 'open' && this.#clock.now() < circuit.until))) {
      throw new LayerswarmError('origin-unreachable', `the origin ${this.#registry} is down: ${circuit.reason}; it is tried again within ${Math.ceil(circuit.pause / 1000)} s`);
    }
    if (circuit.kind === 'open') this.#circuit = { kind: 'half-open', pause: circuit.pause, reason: circuit.reason };
    return this.#passage();
  }

  /** The registry, or its token service, does not take the credentials. Ends with the next answer that took them. */
  refused(reason: string): void {
    this.#unauthorized = reason;
  }

  authorized(): void {
    this.#unauthorized = undefined;
  }

  #passage(): Passage {
    let open = true;
    const once = (report: () => void): (() => void) => () => {
      if (!open) throw new Error('a passage is reported on once');
      open = false;
      report();
    };
    let reason = '';
    const outage = once(() => this.#outage(reason));
    return {
      succeeded: once(() => this.#succeeded()),
      outage: (why) => {
        reason = why;
        outage();
      },
      inconclusive: once(() => this.#inconclusive()),
    };
  }

  /** any -> closed */
  #succeeded(): void {
    this.#circuit = { kind: 'closed', outages: 0 };
    this.#seen = 'ok';
    this.#lastReason = undefined;
  }

  /** closed -> closed | open, half-open -> open with twice the pause; open stays: an older request came to its end. */
  #outage(reason: string): void {
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
    if (circuit.kind === 'half-open') this.#circuit = { kind: 'open', pause: circuit.pause, until: this.#clock.now(), reason: circuit.reason };
  }

  #opened(pause: number, reason: string): Circuit {
    // jitter: hosts that lost the registry together do not come back in step
    return { kind: 'open', pause, reason, until: this.#clock.now() + pause * (0.75 + this.#clock.random() / 4) };
  }
}
