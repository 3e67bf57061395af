import type { Candidate, Candidates } from './candidates.ts';

/**
 * Handshakes at a time. They are what a dial costs; when a crowd starts at once, more of them only make all of them slow, until
 * they end by their deadlines and begin again.
 */
const MAX_HANDSHAKES = 4;
/** Dials that have no answer yet; a host that is down costs nothing but patience. */
const MAX_UNANSWERED = 64;
/** A dial counts as a handshake for this long, unless its peer answers: on a local network it does at once. */
const ANSWER_EXPECTED_MS = 500;
/** From the dial until the peer should have joined. */
const JOIN_PATIENCE_MS = 20_000;
const IDLE_CHECK_MS = 5000;

export interface DialerOptions {
  candidates: Candidates;
  /** Connected, joined or about to. */
  isConnected: (peerId: string) => boolean;
  memberCount: () => number;
  /** Members enough: nobody is dialled any more, though others may still dial this node. */
  targetMembers: number;
  /** Reaches the candidate at any of its addresses and says who answered; `onAnswer` when a handshake begins. Rejects when none did. */
  dial: (candidate: Candidate, signal: AbortSignal, onAnswer: () => void) => Promise<string>;
}

/** Dials whoever might be a member, again and again with backoff, for as long as the node runs. */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #active = new Map<string, 'handshake' | 'unanswered'>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #kickDue = false;

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  /** Something changed: looks at once whom to dial. */
  kick(): void {
    if (this.#kickDue || this.#stopping.signal.aborted) return;
    this.#kickDue = true;
    queueMicrotask(() => {
      this.#kickDue = false;
      this.#dialDue();
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stopping.abort();
  }

  #dialDue(): void {
    if (this.#stopping.signal.aborted) return;
    const { candidates, memberCount, targetMembers } = this.#options;
    const now = Date.now();
    if (memberCount() < targetMembers) {
      for (const candidate of candidates.due(now, this.#options.isConnected)) {
        if (this.#isBusy() || memberCount() + this.#count('handshake') >= targetMembers) break;
        if (!this.#active.has(candidate.key)) void this.#dial(candidate, now);
      }
    }
    this.#scheduleNext(now);
  }

  #scheduleNext(now: number): void {
    clearTimeout(this.#timer);
    // A dial that ends kicks; so this waits for what is due by the clock alone.
    const next = this.#isBusy() ? undefined : this.#options.candidates.nextDueAt(this.#options.isConnected);
    const delay = next === undefined ? IDLE_CHECK_MS : Math.min(IDLE_CHECK_MS, Math.max(50, next - now));
    this.#timer = setTimeout(() => {
      this.#dialDue();
    }, delay);
  }

  #isBusy(): boolean {
    return this.#count('handshake') >= MAX_HANDSHAKES || this.#active.size >= MAX_UNANSWERED;
  }

  #count(stage: 'handshake' | 'unanswered'): number {
    let count = 0;
    for (const active of this.#active.values()) if (active === stage) count += 1;
    return count;
  }

  async #dial(candidate: Candidate, now: number): Promise<void> {
    const { candidates } = this.#options;
    const { key } = candidate;
    this.#active.set(key, 'handshake');
    const timer = setTimeout(() => {
      this.#active.set(key, 'unanswered');
      this.kick();
    }, ANSWER_EXPECTED_MS);
    const onAnswer = (): void => {
      clearTimeout(timer);
      this.#active.set(key, 'handshake');
    };
    candidates.trying(key, now, JOIN_PATIENCE_MS);
    try {
      candidates.reached(key, await this.#options.dial(candidate, this.#stopping.signal, onAnswer));
    } catch {
      // Who is not there is tried again; a swarm has such candidates all the time.
      candidates.failed(key, Date.now());
    } finally {
      clearTimeout(timer);
      this.#active.delete(key);
      this.kick();
    }
  }
}
