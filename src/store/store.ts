import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolders } from '../folders.ts';
import type { Digest } from '../oci/digest.ts';
import { BlobCatalog } from './blobs/blob-catalog.ts';
import type { BlobStore } from './blob-store.ts';
import { CheckedFiles } from './blobs/checked-files.ts';
import { DiskBlobStore, type BlobStoreStats, type DamagedBlob, type GuardedBlobs } from './blobs/disk-blob-store.ts';
import { FolderLock } from './disk/folder-lock.ts';
import { collectGarbage, type GcOptions, type GcReport } from './care/garbage.ts';
import { LayoutIndex } from './db/layout-index.ts';
import { isDamage, Metadata } from './db/metadata.ts';
import { MetadataBackup } from './db/metadata-backup.ts';
import type { PartialLender } from './partial/partial-owner.ts';
import { Pins } from './images/pins.ts';
import { purgeImage, type PurgeOptions, type PurgeResult } from './images/purge.ts';
import { adoptManifests, rebuild, restoreTags } from './care/rebuild.ts';
import { ImageStore } from './images/image-store.ts';
import { isMissing, storeError } from './store-error.ts';
import { checkFormat, checkMode, prepareFolders, StoreLayout } from './disk/store-layout.ts';
import { SyncPolicy } from './disk/sync-policy.ts';
import { verifyBlobs, type VerifyOptions, type VerifyResult } from './care/verify-blobs.ts';

const MIB = 1024 * 1024;
const DAY_MS = 24 * 3600_000;
/** What the store leaves free of its file system. */
export const RESERVE_BYTES = 256 * MIB;

export interface StoreOptions {
  /** Size limit of blobs and partial blobs together, bytes; none by default. */
  maxBytes?: number;
  /** Bytes of the disk that the store leaves free; 256 MiB by default. */
  reserveBytes?: number;
  /** Partial blobs are synced after so many bytes, 64 MiB by default, … */
  syncBytes?: number;
  /** … or so many milliseconds, 5 s by default. A power loss costs at most what came since. */
  syncIntervalMs?: number;
  /** `index.json` follows changes of tags within so many milliseconds; 1 s by default. */
  indexDelayMs?: number;
  /** Told of what had to be repaired while the store is in use, a line for the log. */
  onRepair?: (line: string) => void;
  /** A file that was read and found right is read without a look at its bytes for so many milliseconds, while it is not written; a day by default. */
  checkedForMs?: number;
  /** A blob turned out not to be what was proven, as it was read: still in the books; `gone` resolves when it is not any more. */
  onDamaged?: (blob: DamagedBlob, gone: Promise<void>) => void;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

export interface Store {
  readonly blobs: BlobStore & PartialLender & GuardedBlobs;
  readonly images: ImageStore;
  /** What opening had to repair, each a line for the log; mostly empty. */
  readonly repairs: readonly string[];
  stats(): BlobStoreStats;
  /** Whether a blob of so many bytes would be taken now; nothing is evicted for the answer. */
  takes(bytes: number): Promise<boolean>;
  /** Evicts until so many bytes more fit limit and disk, its reserve included. @throws `disk-full` when they cannot */
  makeRoom(bytes: number): Promise<void>;
  /** Removes what is idle, old or over the limit. Call it now and then: the limit itself is kept without it. */
  gc(options?: GcOptions): Promise<GcReport>;
  /** Removes an image and what of it no other image needs. */
  purge(options: PurgeOptions): Promise<PurgeResult>;
  /** A blob that is here is kept whatever the limits say, as what an embedded origin holds. */
  holdAsOrigin(digest: Digest): void;
  /** Reads every byte again; corrupt blobs go to the quarantine. */
  verify(options?: VerifyOptions): AsyncIterable<VerifyResult>;
  /** Closes partial blobs that are still open, and writes what was put off. */
  close(): Promise<void>;
}

/**
 * Opens the store in a folder, made where it is missing.
 * @throws LayerswarmError `store-locked` while another process has it, `store-format` for a folder of a newer version or of
 * another program, `store-unwritable`, `disk-full`
 */
export async function openStore(folder: string, options: StoreOptions = {}): Promise<Store> {
  const layout = new StoreLayout(folder);
  try {
    await makeFolders(layout.root, 0o700);
  } catch (error) {
    throw storeError((await whyUnwritable(layout.root)) ?? error, `make the data folder ${layout.root}`);
  }
  await checkMode(layout);
  await checkFormat(layout);
  const lock = FolderLock.acquire(layout);
  let metadata: Metadata | undefined;
  try {
    await prepareFolders(layout);
    const opened = await Metadata.open(layout);
    metadata = opened.metadata;
    try {
      return await assemble({ ...opened, layout, lock }, options);
    } catch (error) {
      if (opened.damaged || !isDamage(error)) throw error;
      await metadata.replace();
      return await assemble({ metadata, layout, lock, fresh: true, damaged: true }, options);
    }
  } catch (error) {
    await metadata?.close();
    lock.release();
    throw storeError(error, `open the store in ${layout.root}`);
  }
}

/** What is wrong with the nearest folder that is there: of a read-only file system mkdir says only ENOENT. */
async function whyUnwritable(folder: string): Promise<unknown> {
  try {
    await access(folder, constants.W_OK);
    return undefined;
  } catch (error) {
    return isMissing(error) && dirname(folder) !== folder ? await whyUnwritable(dirname(folder)) : error;
  }
}

interface Opened {
  readonly layout: StoreLayout;
  readonly lock: FolderLock;
  readonly metadata: Metadata;
  readonly fresh: boolean;
  readonly damaged: boolean;
}

async function assemble({ layout, lock, metadata, fresh, damaged }: Opened, options: StoreOptions): Promise<Store> {
  const now = options.now ?? Date.now;
  const maxBytes = options.maxBytes ?? Infinity;
  const catalog = new BlobCatalog(metadata);
  const found = await catalog.load(layout);
  await adoptManifests(metadata, layout, catalog, found.adopted);
  const backup = new MetadataBackup(layout, metadata);
  const restoredTags = fresh ? (await restoreTags(metadata, layout, catalog)) + (await backup.restore()) : 0;

  const pins = new Pins(metadata);
  const blobs = await DiskBlobStore.open({
    layout,
    metadata,
    catalog,
    now,
    limits: { maxBytes, reserveBytes: options.reserveBytes ?? RESERVE_BYTES },
    sync: new SyncPolicy({ bytes: options.syncBytes ?? 64 * MIB, intervalMs: options.syncIntervalMs ?? 5000 }),
    pinned: () => pins.reachable(),
    checked: new CheckedFiles(metadata, options.checkedForMs ?? DAY_MS, now),
    onDamaged: options.onDamaged,
  });
  const index = new LayoutIndex({ layout, metadata, delayMs: options.indexDelayMs ?? 1000 });
  await index.write();
  const images = new ImageStore({ metadata, blobs, pins, onTags: () => index.changed() });
  blobs.onChange(({ kind }) => {
    if (kind === 'removed') index.changed();
  });

  metadata.onDamaged = () => {
    options.onRepair?.('the metadata turned out to be damaged and is made anew from the blobs and its last copy');
    rebuild({ metadata, layout, catalog, backup }).catch((error: unknown) =>
      options.onRepair?.(`the metadata could not be made anew: ${String(error)}`),
    );
  };

  return {
    blobs,
    images,
    repairs: [
      ...(damaged ? [`the metadata could not be read and was made anew; the old file is ${layout.metadata}.damaged`] : []),
      ...found.damaged.map((digest) => `${digest.toString()} had the wrong length and was moved to ${layout.quarantine}`),
      ...found.lost.map((digest) => `the file of ${digest.toString()} was gone`),
      ...(found.adopted.length > 0 ? [`took in ${found.adopted.length} blobs without metadata`] : []),
      ...(restoredTags > 0 ? [`restored ${restoredTags} tags and pins from ${layout.index} and the hourly copy`] : []),
    ],
    stats: () => blobs.stats(),
    takes: (bytes) => blobs.room.takes(bytes),
    makeRoom: (bytes) => blobs.room.make({ expected: bytes }),
    gc: (options = {}) => collectGarbage({ blobs, catalog, metadata, layout, maxBytes, now }, options),
    purge: (options) => purgeImage({ blobs, metadata, images }, options),
    holdAsOrigin: (digest) => {
      const record = catalog.get(digest);
      if (record !== undefined) catalog.setOrigin(record, true);
    },
    verify: (options = {}) => verifyBlobs(blobs, catalog, options),
    close: async () => {
      try {
        await blobs.close();
        await index.write();
        await backup.write();
      } finally {
        backup.stop();
        await metadata.close();
        lock.release();
      }
    },
  };
}
