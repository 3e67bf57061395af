import type { TransferStatus } from '../swarm.ts';

/** Window over which the current rate is taken, in ms. */
const RATE_WINDOW_MS = 2000;

/** Counts one transfer's bytes by source, for status and receipts. */
export class TransferMeter {
  readonly startedAt: number;
  readonly #now: () => number;
  readonly #fromPeers = new Map<string, number>();
  #fromOrigin = 0;
  #stalls = 0;
  #retries = 0;
  #finishedAt: number | undefined;
  #recent: { at: number; bytes: number }[] = [];

  constructor(now: () => number) {
    this.#now = now;
    this.startedAt = now();
  }

  fromPeer(peer: string, bytes: number): void {
    this.#fromPeers.set(peer, (this.#fromPeers.get(peer) ?? 0) + bytes);
    this.#count(bytes);
  }

  fromOrigin(bytes: number): void {
    this.#fromOrigin += bytes;
    this.#count(bytes);
  }

  /** A source failed and its work goes to another; `silent`: it gave no byte for its time. */
  stalled(silent: boolean): void {
    if (silent) this.#stalls++;
    this.#retries++;
  }

  finished(): void {
    this.#finishedAt = this.#now();
  }

  snapshot(): Pick<TransferStatus, 'fromOriginBytes' | 'fromPeers' | 'bytesPerSecond' | 'stalls' | 'retries' | 'startedAt'> {
    return {
      startedAt: this.startedAt,
      fromOriginBytes: this.#fromOrigin,
      fromPeers: new Map(this.#fromPeers),
      bytesPerSecond: this.#rate(this.#now()),
      stalls: this.#stalls,
      retries: this.#retries,
    };
  }

  #count(bytes: number): void {
    const now = this.#now();
    const last = this.#recent.at(-1);
    if (last !== undefined && now - last.at < 100) last.bytes += bytes;
    else this.#recent.push({ at: now, bytes });
    while (this.#recent.length > 0 && now - this.#recent[0]!.at > RATE_WINDOW_MS) this.#recent.shift();
  }

  #rate(now: number): number {
    if (this.#finishedAt !== undefined) return 0;
    const recent = this.#recent.filter(({ at }) => now - at <= RATE_WINDOW_MS);
    const bytes = recent.reduce((sum, entry) => sum + entry.bytes, 0);
    return Math.round((bytes * 1000) / Math.min(RATE_WINDOW_MS, Math.max(100, now - this.startedAt)));
  }
}
