import type { DownloadLimits } from './limits.ts';

/** Bytes that are awaited of somebody. */
export interface Awaited {
  /** When it was asked for, or the last byte of it came. */
  heardAt: number;
  /** The same of its last piece. */
  pieceAt: number;
  /** Nothing came for too long: others are asked for it. */
  isSilent: boolean;
}

export function awaitedSince(now: number): Awaited {
  return { heardAt: now, pieceAt: now, isSilent: false };
}

/** How long sources of one kind usually take for a piece, and so when one of them has fallen silent. */
export class Silence {
  readonly #limits: DownloadLimits;
  /** Time from one piece of a request to the next, smoothed; undefined before the first. */
  #usualMs: number | undefined;

  constructor(limits: DownloadLimits) {
    this.#limits = limits;
  }

  get isMeasured(): boolean {
    return this.#usualMs !== undefined;
  }

  arrived(awaited: Awaited, now: number): void {
    const ms = now - awaited.pieceAt;
    // Slow ones count at once: many wait in one line together, and the first to be served say little of the others.
    this.#usualMs = this.#usualMs === undefined || ms > this.#usualMs ? ms : this.#usualMs * 0.9 + ms * 0.1;
    awaited.heardAt = now;
    awaited.pieceAt = now;
  }

  /** True once, when the source has given no byte for too long. */
  begins(awaited: Awaited, now: number): boolean {
    if (awaited.isSilent || now - awaited.heardAt <= Math.max(this.#limits.silenceMs, this.#limits.silencePieces * (this.#usualMs ?? 0))) return false;
    awaited.isSilent = true;
    return true;
  }
}
