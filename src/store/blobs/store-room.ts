import { randomUUID } from 'node:crypto';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { StoreLayout } from '../disk/store-layout.ts';
import type { PartialSet } from '../partial/partial-set.ts';
import type { BlobCatalog } from './blob-catalog.ts';
import { chooseEvictions, type EvictionCandidate } from './eviction.ts';

export interface BlobStoreLimits {
  /** Bytes of all blobs and partial blobs together. */
  readonly maxBytes: number;
  /** Bytes of the disk that stay free, whatever the size limit allows. */
  readonly reserveBytes: number;
}

export interface StoreRoomParts {
  readonly limits: BlobStoreLimits;
  readonly layout: StoreLayout;
  readonly catalog: BlobCatalog;
  readonly partials: PartialSet;
  /** Digests that are reachable from pinned references. */
  readonly pinned: () => ReadonlySet<string>;
  /** False where somebody opened it meanwhile. */
  readonly evictBlob: (digest: Digest) => Promise<boolean>;
}

/** What fits into the size limit and on the disk, and what goes to make room. */
export class StoreRoom {
  readonly #parts: StoreRoomParts;
  /** Sizes of the writes under way, where they are known. */
  #reservedBytes = 0;

  constructor(parts: StoreRoomParts) {
    this.#parts = parts;
  }

  /** Counts bytes that are being written, until what it returns is disposed of. */
  reserve(bytes: number): Disposable {
    this.#reservedBytes += bytes;
    return {
      [Symbol.dispose]: () => {
        this.#reservedBytes -= bytes;
      },
    };
  }

  /**
   * What may be removed to make room: nobody has it open, it is not pinned, and no origin depends on it.
   * @param options.released held as origin, and to be treated as if they were not
   */
  evictable(options: { released?: readonly Digest[] } = {}): EvictionCandidate[] {
    const pinned = this.#parts.pinned();
    const released = new Set(options.released?.map(String));
    const candidates: EvictionCandidate[] = [];
    for (const record of this.#parts.catalog.all()) {
      const key = record.digest.toString();
      if (record.readers > 0 || pinned.has(key) || (record.origin && !released.has(key))) continue;
      candidates.push({ key, digest: record.digest, size: record.size, usedAt: record.usedAt, partial: false });
    }
    return [...candidates, ...this.#parts.partials.idle()];
  }

  /** Bytes that count against the size limit: blobs, and partial blobs and writes under way, with their full size. */
  usedBytes(): number {
    return this.#parts.catalog.bytes + this.#parts.partials.chargedBytes() + this.#reservedBytes;
  }

  /** Drops what was chosen, unless somebody opened it meanwhile. Resolves with what went. */
  async evict(chosen: readonly EvictionCandidate[]): Promise<EvictionCandidate[]> {
    const gone: EvictionCandidate[] = [];
    for (const candidate of chosen) {
      if (await (candidate.partial ? this.#evictPartial(candidate.digest) : this.#parts.evictBlob(candidate.digest))) gone.push(candidate);
    }
    return gone;
  }

  /**
   * Evicts until all that is here, under way, or `written` outside the count, fits limit and disk.
   * @throws `disk-full` when it cannot
   */
  async make({ written = 0, expected = 0 }: { written?: number; expected?: number } = {}): Promise<void> {
    const { limits, layout } = this.#parts;
    const { overLimit, overDisk, free } = await this.#shortage({ written, expected });
    const needed = Math.max(overLimit, overDisk);
    if (needed <= 0) return;
    const chosen = chooseEvictions(this.evictable(), needed);
    if (chosen === undefined) {
      const why =
        overLimit >= overDisk
          ? `the size limit of ${inMiB(limits.maxBytes)} is reached, and the rest is in use, pinned or held as origin; raise the limit or unpin images`
          : `the disk of ${layout.root} has ${inMiB(free)} free, of which ${inMiB(limits.reserveBytes)} stay reserved; free ${inMiB(overDisk)}`;
      throw new LayerswarmError('disk-full', why, { detail: { missingBytes: needed, limit: overLimit >= overDisk ? 'store' : 'disk' } });
    }
    await this.evict(chosen);
  }

  /** Whether a blob of so many bytes would be taken now: there is room, or could be, and the folder can be written. */
  async takes(bytes: number): Promise<boolean> {
    try {
      const { overLimit, overDisk } = await this.#shortage({ written: 0, expected: bytes });
      if (chooseEvictions(this.evictable(), Math.max(0, overLimit, overDisk)) === undefined) return false;
      await tryWriting(this.#parts.layout.temp);
      return true;
    } catch {
      return false; // a disk that cannot even be asked
    }
  }

  /** Bytes by which limit and disk are exceeded: with what is `written` outside the count, and what is `expected` to be. */
  async #shortage({
    written,
    expected,
  }: {
    written: number;
    expected: number;
  }): Promise<{ overLimit: number; overDisk: number; free: number }> {
    const { limits, layout } = this.#parts;
    const { bavail, bsize } = await statfs(layout.root);
    const free = bavail * bsize;
    return {
      overLimit: this.usedBytes() + written + expected - limits.maxBytes,
      overDisk: this.#parts.partials.outstandingBytes() + this.#reservedBytes + expected + limits.reserveBytes - free,
      free,
    };
  }

  async #evictPartial(digest: Digest): Promise<boolean> {
    return !this.#parts.partials.isOpen(digest) && (await this.#parts.partials.delete(digest));
  }
}

/** A file system that failed may still say that it can be written. @throws what writing does */
async function tryWriting(folder: string): Promise<void> {
  const path = join(folder, randomUUID());
  try {
    await writeFile(path, 'x', { flag: 'wx', flush: true });
  } finally {
    await rm(path, { force: true });
  }
}

/** For people. */
function inMiB(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
