/**
 * Where an address is from decides how long it is tried: `configured` for ever, `remembered` (was a member once) for days,
 * `lan`, `dns` and `exchanged` until it failed a few times; they are offered again when somebody still believes in them.
 */
export type CandidateSource = 'configured' | 'remembered' | 'lan' | 'dns' | 'exchanged';

export interface Candidate {
  /** The peer id, or the address where that is not known yet. */
  readonly key: string;
  readonly peerId: string | undefined;
  /** Transport multiaddrs, without peer id. */
  readonly addresses: readonly string[];
  readonly source: CandidateSource;
  /** Milliseconds since the epoch. */
  readonly seenAt: number;
}

interface Entry {
  key: string;
  peerId: string | undefined;
  addresses: string[];
  source: CandidateSource;
  seenAt: number;
  failures: number;
  dueAt: number;
  triedAt: number;
  /** Who answered at an address whose peer id nobody had told. */
  answeredAs: string | undefined;
}

const MAX_CANDIDATES = 4096;
const MAX_ADDRESSES = 8;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS: Record<CandidateSource, number> = {
  configured: 15_000,
  remembered: 120_000,
  lan: 60_000,
  dns: 60_000,
  exchanged: 60_000,
};
const MAX_FAILURES = 8;
const FORGET_AFTER_MS = 7 * 24 * 3_600_000;
/** A sign of life on the LAN makes a candidate due again, no more often than this. */
const SIGN_OF_LIFE_MS = 5000;
const STRENGTH: readonly CandidateSource[] = ['exchanged', 'dns', 'lan', 'remembered', 'configured'];

/** Everybody who might be a member, and when to try them next. Pure: clock and randomness come from outside. */
export class Candidates {
  readonly #entries = new Map<string, Entry>();
  readonly #self: string;
  readonly #random: () => number;

  constructor(self: string, random: () => number) {
    this.#self = self;
    this.#random = random;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Learns addresses. `delayMs`: the other side is expected to dial first. True when there is something new to try. */
  offer(
    offered: { peerId: string | undefined; addresses: readonly string[]; source: CandidateSource; seenAt?: number },
    now: number,
    delayMs = 0,
  ): boolean {
    const { peerId, source } = offered;
    const key = peerId ?? offered.addresses[0];
    if (key === undefined || peerId === this.#self || offered.addresses.length === 0) return false;
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      if (!this.#makeRoom(source)) return false;
      const addresses = offered.addresses.slice(0, MAX_ADDRESSES);
      this.#entries.set(key, {
        key,
        peerId,
        addresses,
        source,
        seenAt: offered.seenAt ?? 0,
        failures: 0,
        dueAt: now + delayMs,
        triedAt: 0,
        answeredAs: undefined,
      });
      return true;
    }
    if (STRENGTH.indexOf(source) > STRENGTH.indexOf(entry.source)) entry.source = source;
    entry.seenAt = Math.max(entry.seenAt, offered.seenAt ?? 0);
    const fresh = offered.addresses.filter((address) => !entry.addresses.includes(address));
    if (fresh.length === 0 && !(source === 'lan' && now - entry.triedAt > SIGN_OF_LIFE_MS)) return false;
    entry.addresses = [...fresh, ...entry.addresses].slice(0, MAX_ADDRESSES);
    entry.dueAt = Math.min(entry.dueAt, now + delayMs);
    return true;
  }

  /** Who may be tried now, in random order, the configured ones first. */
  due(now: number, connected: (peerId: string) => boolean): Candidate[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.dueAt <= now && !this.#isConnected(entry, connected))
      .map((entry) => ({ entry, order: this.#random() - (entry.source === 'configured' ? 1 : 0) }))
      .sort((a, b) => a.order - b.order)
      .map(({ entry }) => entry);
  }

  /** When the next one is due; undefined when nobody is left to try. */
  nextDueAt(connected: (peerId: string) => boolean): number | undefined {
    let next: number | undefined;
    for (const entry of this.#entries.values()) {
      if (!this.#isConnected(entry, connected) && (next === undefined || entry.dueAt < next)) next = entry.dueAt;
    }
    return next;
  }

  /** A dial begins: not due again until it ended, or at the latest in `patienceMs`. */
  trying(key: string, now: number, patienceMs: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.triedAt = now;
    entry.dueAt = now + patienceMs;
  }

  /** The dial reached `peerId`; whether that is a member shows when it joins. */
  reached(key: string, peerId: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.answeredAs = peerId;
  }

  failed(key: string, now: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.failures += 1;
    entry.answeredAs = undefined;
    if (this.#isHopeless(entry, now)) {
      this.#entries.delete(key);
      return;
    }
    const backoff = Math.min(LONGEST_BACKOFF_MS[entry.source], FIRST_BACKOFF_MS * 2 ** Math.min(entry.failures, 20));
    entry.dueAt = now + backoff * (0.5 + this.#random());
  }

  /** The peer has joined, with these addresses: from now on it is remembered. */
  joined(peerId: string, addresses: readonly string[], now: number): void {
    if (addresses.length > 0) this.offer({ peerId, addresses, source: 'remembered', seenAt: now }, now);
    for (const entry of this.#entries.values()) {
      if (entry.peerId !== peerId && entry.answeredAs !== peerId) continue;
      entry.failures = 0;
      entry.seenAt = now;
    }
  }

  /** The peer left: it is tried again soon, by its side and this. */
  left(peerId: string, now: number): void {
    for (const entry of this.#entries.values()) {
      if (entry.peerId !== peerId && entry.answeredAs !== peerId) continue;
      entry.seenAt = now;
      entry.dueAt = now + FIRST_BACKOFF_MS * (0.5 + this.#random());
    }
  }

  /** Those that were members, most recent first. */
  remembered(): Candidate[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.peerId !== undefined && entry.seenAt > 0)
      .sort((a, b) => b.seenAt - a.seenAt);
  }

  #isConnected(entry: Entry, connected: (peerId: string) => boolean): boolean {
    const peerId = entry.peerId ?? entry.answeredAs;
    return peerId !== undefined && connected(peerId);
  }

  #isHopeless(entry: Entry, now: number): boolean {
    if (entry.source === 'configured') return false;
    return entry.source === 'remembered' ? now - entry.seenAt > FORGET_AFTER_MS : entry.failures >= MAX_FAILURES;
  }

  /** A full list gives up the weakest entry, never one that is stronger than what comes. */
  #makeRoom(source: CandidateSource): boolean {
    if (this.#entries.size < MAX_CANDIDATES) return true;
    let weakest: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (
        weakest === undefined ||
        STRENGTH.indexOf(entry.source) < STRENGTH.indexOf(weakest.source) ||
        (entry.source === weakest.source && entry.failures > weakest.failures)
      )
        weakest = entry;
    }
    if (weakest === undefined || STRENGTH.indexOf(weakest.source) > STRENGTH.indexOf(source)) return false;
    this.#entries.delete(weakest.key);
    return true;
  }
}
