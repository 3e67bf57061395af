import type { Candidate, Candidates } from './candidates.ts';

/** Dials that run at a time. */
const MAX_DIALS = 16;
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
  /** Reaches the candidate at any of its addresses and says who answered. Rejects when none did. */
  dial: (candidate: Candidate, signal: AbortSignal) => Promise<string>;
}

/** Dials whoever might be a member, again and again with backoff, for as long as the node runs. */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #active = new Set<string>();
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
        if (this.#active.size >= MAX_DIALS || memberCount() + this.#active.size >= targetMembers) break;
        if (!this.#active.has(candidate.key)) void this.#dial(candidate, now);
      }
    }
    this.#scheduleNext(now);
  }

  #scheduleNext(now: number): void {
    clearTimeout(this.#timer);
    // A dial that ends kicks; so this waits for what is due by the clock alone.
    const next = this.#active.size >= MAX_DIALS ? undefined : this.#options.candidates.nextDueAt(this.#options.isConnected);
    const delay = next === undefined ? IDLE_CHECK_MS : Math.min(IDLE_CHECK_MS, Math.max(50, next - now));
    this.#timer = setTimeout(() => { this.#dialDue(); }, delay);
  }

  async #dial(candidate: Candidate, now: number): Promise<void> {
    const { candidates } = this.#options;
    const { key } = candidate;
    this.#active.add(key);
    candidates.trying(key, now, JOIN_PATIENCE_MS);
    try {
      candidates.reached(key, await this.#options.dial(candidate, this.#stopping.signal));
    } catch {
      // Who is not there is tried again; a swarm has such candidates all the time.
      candidates.failed(key, Date.now());
    } finally {
      this.#active.delete(key);
      this.kick();
    }
  }
}
