import type { Run } from './bitfield.ts';
import type { DownloadLimits } from './limits.ts';
import type { Fetch, Neighbour } from './neighbour.ts';
import type { PieceTable } from './piece-table.ts';
import { awaitedSince, Silence } from './silence.ts';

/** The requests to neighbours that are under way, and what they claim of the blob's pieces. */
export class Fetches {
  readonly #table: PieceTable;
  readonly #silence: Silence;
  #nextId = 1;
  #asked = 0;

  constructor(table: PieceTable, limits: DownloadLimits) {
    this.#table = table;
    this.#silence = new Silence(limits, limits.silenceMs);
  }

  /** Pieces asked of members that fetch themselves, and awaited. */
  get asked(): number {
    return this.#asked;
  }

  /** The run is asked of the source from now on. */
  begin(source: Neighbour, [first, count]: Run, now: number): Fetch {
    const fetch: Fetch = {
      id: this.#nextId++,
      peer: source.peer,
      first,
      count,
      startedAt: now,
      relayed: source.relays,
      isBegun: false,
      arrived: 0,
      ...awaitedSince(now),
    };
    source.fetches.set(fetch.id, fetch);
    this.#claim(fetch);
    return fetch;
  }

  /** A piece of it came. */
  arrived(fetch: Fetch, now: number): void {
    fetch.arrived++;
    if (fetch.relayed) this.#asked--;
    this.#silence.arrived(fetch, now);
  }

  /** Bytes of it came. True when it was silent, and is awaited again. */
  heard(fetch: Fetch, now: number): boolean {
    fetch.heardAt = now;
    fetch.isBegun = true;
    if (!fetch.isSilent) return false;
    fetch.isSilent = false;
    this.#claim(fetch);
    return true;
  }

  /** True once, when nothing came of it for too long: its pieces are wanted from others. */
  fallsSilent(fetch: Fetch, now: number): boolean {
    if (!this.#silence.begins(fetch, now)) return false;
    this.#release(fetch);
    return true;
  }

  /** It is over, whole or not. */
  ended(fetch: Fetch): void {
    if (!fetch.isSilent) this.#release(fetch);
  }

  #claim({ arrived, count, first, relayed }: Fetch): void {
    this.#table.claim([first, count]);
    if (relayed) this.#asked += count - arrived;
  }

  #release({ arrived, count, first, relayed }: Fetch): void {
    this.#table.release([first, count]);
    if (relayed) this.#asked -= count - arrived;
  }
}
