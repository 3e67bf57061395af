import { mkdir } from 'node:fs/promises';
import type { BlobStore } from './blob-store.ts';
import { BlobCatalog } from './blob-catalog.ts';
import { DiskBlobStore } from './disk-blob-store.ts';
import { FolderLock } from './folder-lock.ts';
import { Metadata } from './metadata.ts';
import { storeError } from './store-error.ts';
import { checkFormat, prepareFolders, StoreLayout } from './store-layout.ts';
import { SyncPolicy } from './sync-policy.ts';

const MIB = 1024 * 1024;

export interface StoreOptions {
  /** Size limit of blobs and partial blobs together, bytes; none by default. */
  maxBytes?: number;
  /** Bytes of the disk that the store leaves free; 256 MiB by default. */
  reserveBytes?: number;
  /** Partial blobs are synced after so many bytes, 64 MiB by default, … */
  syncBytes?: number;
  /** … or so many milliseconds, 5 s by default. A power loss costs at most what came since. */
  syncIntervalMs?: number;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

export interface Store {
  readonly blobs: BlobStore;
  close(): Promise<void>;
}

/**
 * Opens the store in a folder, made where it is missing.
 * @throws LayerswarmError `store-locked` while another process has it, `store-format` for a folder of a newer version or of
 * another program, `store-unwritable`, `disk-full`
 */
export async function openStore(folder: string, options: StoreOptions = {}): Promise<Store> {
  const layout = new StoreLayout(folder);
  const now = options.now ?? Date.now;
  try {
    await mkdir(layout.root, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storeError(error, `make the data folder ${layout.root}`);
  }
  await checkFormat(layout);
  const lock = FolderLock.acquire(layout);
  let metadata: Metadata | undefined;
  try {
    await prepareFolders(layout);
    ({ metadata } = await Metadata.open(layout));
    const catalog = new BlobCatalog(metadata);
    await catalog.load(layout);
    const blobs = await DiskBlobStore.open({
      layout,
      metadata,
      catalog,
      now,
      limits: { maxBytes: options.maxBytes ?? Infinity, reserveBytes: options.reserveBytes ?? 256 * MIB },
      sync: new SyncPolicy({ bytes: options.syncBytes ?? 64 * MIB, intervalMs: options.syncIntervalMs ?? 5000 }),
      pinned: () => new Set(),
    });
    const opened = metadata;
    return {
      blobs,
      close: async () => {
        await blobs.close();
        await opened.close();
        lock.release();
      },
    };
  } catch (error) {
    await metadata?.close();
    lock.release();
    throw storeError(error, `open the store in ${layout.root}`);
  }
}
