import type { Run } from './bitfield.ts';
import type { Extent } from './lease-table.ts';
import type { DownloadLimits } from './limits.ts';
import type { PieceTable } from './piece-table.ts';
import { awaitedSince, Silence, type Awaited } from './silence.ts';

/** An extent that is being read, from a peer that has all of it or (undefined) from the origin: under a lease, or for a client that waits (`isLeased`). */
export interface Read extends Awaited {
  readonly extent: Extent;
  readonly source: string | undefined;
  readonly startedAt: number;
  /** Of each other zone the one member that is told of its pieces at once, to fetch them for all there. */
  readonly toldFirst: readonly string[];
  arrived: number;
}

export function isLeased({ extent }: Read): boolean {
  return extent.id >= 0;
}

/** No answer to a request for a lease is reckoned to take longer: what is leased far ahead is read late. */
const MOST_ANSWER_MS = 1000;
/** A guess before the first extent was read, in bytes a second. */
const ASSUMED_RATE = 1 << 20;

/** The extents that a node reads, and what they claim of the blob's pieces; how many at once and how large, by how fast they come. */
export class ReadPlan {
  readonly reads = new Map<number, Read>();
  readonly #table: PieceTable;
  readonly #limits: DownloadLimits;
  readonly #silence: Silence;
  /** Ids of reads under no lease are below those of leases. */
  #nextOutOfTurn = -1;
  /** Bytes a second that were read under leases, smoothed; undefined before the first extent. */
  #readRate: number | undefined;
  /** The same with the waits between extents. */
  #leaseRate: number | undefined;
  #leased: { readonly since: number; bytes: number } | undefined;
  /** When a lease was asked for that is not answered yet. */
  #askedAt: number | undefined;
  /** What an answer takes, the longest of late. */
  #answerMs = 0;

  constructor(table: PieceTable, limits: DownloadLimits) {
    this.#table = table;
    this.#limits = limits;
    this.#silence = new Silence(limits, limits.originSilenceMs);
  }

  begin(extent: Extent, source: string | undefined, toldFirst: readonly string[], now: number): Read {
    const read: Read = { extent, source, startedAt: now, toldFirst, arrived: 0, ...awaitedSince(now) };
    this.reads.set(extent.id, read);
    this.#leased ??= { since: now, bytes: 0 };
    this.#table.claim(runOf(read));
    return read;
  }

  /** From `first` on as many of `count` pieces as nobody brings, to be read under no lease; undefined where that is none. */
  outOfTurn(first: number, count: number): Extent | undefined {
    let length = 0;
    while (length < count && this.#table.wanted(first + length)) length++;
    return length === 0 ? undefined : { id: this.#nextOutOfTurn--, first, count: length };
  }

  /** A piece of it came. */
  arrived(read: Read, now: number): void {
    read.arrived++;
    this.#silence.arrived(read, now);
  }

  /** True once, when nothing came of it for too long: its pieces are wanted from others. */
  fallsSilent(read: Read, now: number): boolean {
    const mayTake = this.#silence.isMeasured ? 0 : this.#table.have.count > 0 ? this.#limits.firstReadMs : Infinity;
    if (now - read.heardAt <= mayTake || !this.#silence.begins(read, now)) return false;
    this.#table.release(runOf(read));
    return true;
  }

  /** What is being read of those that are not silent. */
  active(): Run[] {
    return [...this.reads.values()].filter(({ isSilent }) => !isSilent).map(runOf);
  }

  /** It is over, whole or not. */
  end(read: Read, now: number): void {
    const bytes = this.#table.layout.bytes(read.extent.first, read.arrived);
    if (bytes > 0) this.#readRate = smooth(this.#readRate, (bytes * 1000) / Math.max(1, now - read.startedAt));
    if (this.#leased !== undefined) this.#leased.bytes += bytes;
    if (this.reads.delete(read.extent.id) && !read.isSilent) this.#table.release(runOf(read));
  }

  /** A lease is asked for. */
  asked(now: number): void {
    this.#askedAt = now;
  }

  answered(now: number): void {
    if (this.#askedAt === undefined) return;
    const ms = Math.min(MOST_ANSWER_MS, now - this.#askedAt);
    this.#askedAt = undefined;
    this.#answerMs = Math.max(ms, this.#answerMs * 0.9 + ms * 0.1);
  }

  /** How many pieces to ask a lease for, 0 for none now. `alone`: nobody else fetches the blob. */
  wanted(alone: boolean, now: number): number {
    const most = Math.max(1, Math.floor(this.#limits.maxExtentBytes / this.#table.layout.pieceLength));
    if (alone) return this.reads.size < this.#limits.readsAlone ? this.#piecesIn(this.#limits.aloneMs, this.#readRate, most) : 0;
    // The coordinator may be far, or its line busy with pieces.
    const aheadMs = this.#limits.readAheadMs + this.#answerMs;
    if (this.#remainingBytes() > ((this.#readRate ?? ASSUMED_RATE) * aheadMs) / 1000) return 0;
    if (this.#leased !== undefined && this.#leased.bytes > 0) {
      this.#leaseRate = smooth(this.#leaseRate, (this.#leased.bytes * 1000) / Math.max(1, now - this.#leased.since));
      this.#leased = { since: now, bytes: 0 };
    }
    return this.#piecesIn(this.#limits.extentMs, this.#leaseRate, most);
  }

  /** As many as come in so long at this rate, undefined before anything was measured. */
  #piecesIn(ms: number, rate: number | undefined, most: number): number {
    const { pieceLength } = this.#table.layout;
    if (rate === undefined) return Math.min(most, Math.max(2, Math.floor(this.#limits.firstExtentBytes / pieceLength)));
    return Math.max(1, Math.min(most, Math.round((rate * ms) / 1000 / pieceLength)));
  }

  #remainingBytes(): number {
    let bytes = 0;
    for (const { extent, arrived, isSilent } of this.reads.values())
      if (!isSilent) bytes += Math.max(0, extent.count - arrived) * this.#table.layout.pieceLength;
    return bytes;
  }
}

function smooth(before: number | undefined, now: number): number {
  return before === undefined ? now : before * 0.5 + now * 0.5;
}

function runOf({ extent }: Read): Run {
  return [extent.first, extent.count];
}
