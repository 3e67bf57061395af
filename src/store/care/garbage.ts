import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../oci/digest.ts';
import type { BlobCatalog } from '../blobs/blob-catalog.ts';
import type { DiskBlobStore } from '../blobs/disk-blob-store.ts';
import { chooseEvictions, type EvictionCandidate, SMALL } from '../blobs/eviction.ts';
import type { Metadata } from '../db/metadata.ts';
import type { StoreLayout } from '../disk/store-layout.ts';

const HOUR = 3600_000;

export interface GcOptions {
  /** Says what would go, and changes nothing. */
  readonly dryRun?: boolean;
  /** Drops partial blobs that nobody worked on for so long; 24 h by default. */
  readonly partialIdleMs?: number;
  /** Drops blobs that were not used for so long; never by default. */
  readonly maxAgeMs?: number;
  /** Brings the store down to so many bytes; the store's own limit by default. */
  readonly targetBytes?: number;
  /** Blobs that this host holds in another store too: the copy here goes. Small ones stay, since manifests are read from here. */
  readonly isHeldElsewhere?: (digest: Digest) => boolean;
}

export interface GcReport {
  readonly removed: readonly { readonly digest: Digest; readonly size: number; readonly kind: 'blob' | 'partial' }[];
  readonly bytes: number;
}

/** A push sends blobs first and the manifest last: what an origin holds without a manifest may still get one. */
const ORIGIN_GRACE_MS = 24 * HOUR;
const QUARANTINE_MS = 7 * 24 * HOUR;
const TAG_MS = 30 * 24 * HOUR;

const ORIGIN_IN_USE = `
WITH RECURSIVE reachable (digest) AS (
  SELECT manifest FROM repository_manifests
  UNION SELECT blob FROM manifest_links JOIN reachable ON manifest = reachable.digest
) SELECT digest FROM reachable`;

interface Parts {
  readonly blobs: DiskBlobStore;
  readonly catalog: BlobCatalog;
  readonly metadata: Metadata;
  readonly layout: StoreLayout;
  readonly maxBytes: number;
  readonly now: () => number;
}

/** Removes what is idle, old or over the limit; never what is in use, pinned, or held as origin and named by a manifest. */
export async function collectGarbage(parts: Parts, options: GcOptions): Promise<GcReport> {
  const { blobs, catalog } = parts;
  const released = unnamedOriginBlobs(parts);
  if (options.dryRun !== true) {
    for (const digest of released) catalog.setOrigin(catalog.get(digest)!, false);
    await removeOldQuarantine(parts);
    forgetOldTags(parts);
  }
  const chosen = choose(parts, options, blobs.room.evictable({ released }));
  const gone = options.dryRun === true ? chosen : await blobs.room.evict(chosen);
  return {
    removed: gone.map(({ digest, size, partial }) => ({ digest, size, kind: partial ? 'partial' : 'blob' })),
    bytes: gone.reduce((sum, { size }) => sum + size, 0),
  };
}

function choose({ blobs, maxBytes, now }: Parts, options: GcOptions, candidates: readonly EvictionCandidate[]): EvictionCandidate[] {
  const idleSince = now() - (options.partialIdleMs ?? 24 * HOUR);
  const unusedSince = now() - (options.maxAgeMs ?? Infinity);
  const isOld = ({ digest, size, partial, usedAt }: EvictionCandidate): boolean =>
    usedAt <= (partial ? idleSince : unusedSince) || (!partial && size > SMALL && options.isHeldElsewhere?.(digest) === true);
  const old = candidates.filter((candidate) => isOld(candidate));
  const young = candidates.filter((candidate) => !isOld(candidate));
  const freed = old.reduce((sum, { size }) => sum + size, 0);
  const over = blobs.room.usedBytes() - freed - (options.targetBytes ?? maxBytes);
  // when all that may go is too little, it goes all the same
  return [...old, ...(over > 0 ? (chooseEvictions(young, over) ?? young) : [])];
}

function unnamedOriginBlobs({ catalog, metadata, now }: Parts): Digest[] {
  const held = [...catalog.all()].filter((record) => record.origin && record.usedAt < now() - ORIGIN_GRACE_MS);
  if (held.length === 0) return [];
  const named = new Set(
    metadata
      .statement(ORIGIN_IN_USE)
      .all()
      .map((row) => row['digest'] as string),
  );
  return held.map(({ digest }) => digest).filter((digest) => !named.has(digest.toString()));
}

async function removeOldQuarantine({ layout, now }: Parts): Promise<void> {
  for (const name of await readdir(layout.quarantine)) {
    const path = join(layout.quarantine, name);
    // renaming sets the time of the inode's last change
    const { ctimeMs } = await stat(path);
    if (ctimeMs < now() - QUARANTINE_MS) await rm(path, { recursive: true, force: true });
  }
}

/** Names that the origin said long ago and whose manifest is not here say nothing any more. */
function forgetOldTags({ metadata, now }: Parts): void {
  metadata.transaction(() =>
    metadata.statement('DELETE FROM tags WHERE checked_at < ? AND digest NOT IN (SELECT digest FROM manifests)').run(now() - TAG_MS),
  );
}
