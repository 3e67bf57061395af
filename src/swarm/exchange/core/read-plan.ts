import type { PieceLayout } from './piece-layout.ts';
import type { Extent } from './lease-table.ts';
import type { DownloadLimits } from './limits.ts';
import type { Awaited } from './silence.ts';

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

/** A guess before the first extent was read, in bytes a second. */
const ASSUMED_RATE = 1 << 20;

/** The extents that a node reads under leases: how many at once and how large, by how fast they come. */
export class ReadPlan {
  readonly reads = new Map<number, Read>();
  readonly #layout: PieceLayout;
  readonly #limits: DownloadLimits;
  /** Bytes a second that were read under leases, smoothed; undefined before the first extent. */
  #readRate: number | undefined;
  /** The same with the waits between extents. */
  #leaseRate: number | undefined;
  #leased: { readonly since: number; bytes: number } | undefined;

  constructor(layout: PieceLayout, limits: DownloadLimits) {
    this.#layout = layout;
    this.#limits = limits;
  }

  begin(read: Read): void {
    this.reads.set(read.extent.id, read);
    this.#leased ??= { since: read.startedAt, bytes: 0 };
  }

  /** False when it had ended before. */
  end(read: Read, now: number): boolean {
    const bytes = this.#layout.bytes(read.extent.first, read.arrived);
    if (bytes > 0) this.#readRate = smooth(this.#readRate, (bytes * 1000) / Math.max(1, now - read.startedAt));
    if (this.#leased !== undefined) this.#leased.bytes += bytes;
    return this.reads.delete(read.extent.id);
  }

  /** How many pieces to ask a lease for, 0 for none now. `alone`: nobody else fetches the blob. */
  wanted(alone: boolean, now: number): number {
    const most = Math.max(1, Math.floor(this.#limits.maxExtentBytes / this.#layout.pieceLength));
    if (alone) return this.reads.size < this.#limits.readsAlone ? most : 0;
    if (this.#remainingBytes() > ((this.#readRate ?? ASSUMED_RATE) * this.#limits.readAheadMs) / 1000) return 0;
    if (this.#leased !== undefined && this.#leased.bytes > 0) {
      this.#leaseRate = smooth(this.#leaseRate, (this.#leased.bytes * 1000) / Math.max(1, now - this.#leased.since));
      this.#leased = { since: now, bytes: 0 };
    }
    if (this.#leaseRate === undefined) return Math.min(most, this.#limits.firstExtentPieces);
    return Math.max(1, Math.min(most, Math.round((this.#leaseRate * this.#limits.extentMs) / 1000 / this.#layout.pieceLength)));
  }

  #remainingBytes(): number {
    let bytes = 0;
    for (const { extent, arrived, isSilent } of this.reads.values())
      if (!isSilent) bytes += Math.max(0, extent.count - arrived) * this.#layout.pieceLength;
    return bytes;
  }
}

function smooth(before: number | undefined, now: number): number {
  return before === undefined ? now : before * 0.5 + now * 0.5;
}
