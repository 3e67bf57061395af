import { rename, rm } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobCatalog, BlobRecord } from './blob-catalog.ts';
import { BlobChecks, identityAt, type FileGuard, type FileIdentity } from './blob-check.ts';
import { FileBlobReader } from './blob-reader.ts';
import type { BlobChange, BlobReader, BlobStore, Checkpoints, PartialBlob, WriteOptions } from '../blob-store.ts';
import { writeTempBlob } from './blob-writer.ts';
import { removeFile, syncFolder } from '../disk/durable-file.ts';
import type { CheckedFiles } from './checked-files.ts';
import { StoreRoom, type BlobStoreLimits } from './store-room.ts';
import { KeyedQueue } from '../../async/keyed-queue.ts';
import type { Metadata } from '../db/metadata.ts';
import type { OpenPartial, OwnedPartial, PartialLender } from '../partial/partial-owner.ts';
import { PartialFile } from '../partial/partial-file.ts';
import { PartialSet } from '../partial/partial-set.ts';
import { isMissing, isStoreRefusal, storeError } from '../store-error.ts';
import type { StoreLayout } from '../disk/store-layout.ts';
import type { SyncPolicy } from '../disk/sync-policy.ts';

export interface BlobStoreStats {
  readonly blobs: number;
  readonly bytes: number;
  /** Infinity without a limit. */
  readonly maxBytes: number;
  readonly partials: number;
}

interface Parts {
  readonly layout: StoreLayout;
  readonly metadata: Metadata;
  readonly catalog: BlobCatalog;
  readonly limits: BlobStoreLimits;
  readonly sync: SyncPolicy;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Digests that are reachable from pinned references. */
  readonly pinned: () => ReadonlySet<string>;
  readonly checked: CheckedFiles;
  /** A blob whose file is not what was proven, while it is still in the books; `gone` resolves when it is not any more. */
  readonly onDamaged?: ((blob: DamagedBlob, gone: Promise<void>) => void) | undefined;
}

export interface DamagedBlob {
  readonly digest: Digest;
  readonly size: number;
  /** It was held as embedded origin, which whoever brings it back has to say again. */
  readonly origin: boolean;
}

/** A store whose files may be read elsewhere. */
export interface GuardedBlobs {
  /** Of a blob's file; undefined where somebody else sees to it that its bytes are right. */
  guard(digest: Digest): FileGuard | undefined;
  /** Somebody got wrong bytes of it, as it seems: what was found right before counts no more. */
  doubt(digest: Digest): void;
}

/** `BlobStore` in a folder. */
export class DiskBlobStore implements BlobStore, PartialLender, GuardedBlobs {
  readonly #parts: Parts;
  readonly #partials: PartialSet;
  /** What fits, and what may go for it. */
  readonly room: StoreRoom;
  /** One change of a blob's name at a time. */
  readonly #names = new KeyedQueue();
  readonly #checks = new BlobChecks();
  readonly #listeners = new Set<(change: BlobChange) => void>();

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#partials = new PartialSet({
      layout: parts.layout,
      sync: parts.sync,
      now: parts.now,
      publish: (partial) => this.#publishPartial(partial),
      isStored: (digest) => this.size(digest) !== undefined,
    });
    this.room = new StoreRoom({ ...parts, partials: this.#partials, evictBlob: (digest) => this.#evictBlob(digest) });
  }

  /** @param parts.catalog loaded */
  static async open(parts: Parts): Promise<DiskBlobStore> {
    const store = new DiskBlobStore(parts);
    await store.#partials.load();
    return store;
  }

  size(digest: Digest): number | undefined {
    return this.#parts.catalog.get(digest)?.size;
  }

  *list(): Iterable<{ digest: Digest; size: number }> {
    for (const { digest, size } of this.#parts.catalog.all()) yield { digest, size };
  }

  /** @param options.unchecked the bytes as they are, for whoever looks whether they are right */
  async open(digest: Digest, options: { unchecked?: boolean } = {}): Promise<BlobReader> {
    const record = this.#parts.catalog.get(digest);
    if (record === undefined) throw notFound(digest);
    record.readers++;
    const release = (): void => {
      record.readers--;
      if (this.#parts.catalog.get(digest) === record) this.#parts.catalog.touch(record, this.#parts.now());
    };
    try {
      const guard = this.guard(digest);
      return await FileBlobReader.open(
        this.#parts.layout.blob(digest),
        record.size,
        release,
        options.unchecked === true ? undefined : this.#checks.guarding(digest, record.size, guard),
      );
    } catch (error) {
      release();
      if (!isMissing(error)) throw storeError(error, `open ${digest.toString()}`);
      this.#forget(record); // somebody removed the file by hand
      throw notFound(digest, error);
    }
  }

  async write(source: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<{ digest: Digest; size: number }> {
    const { expectedSize, maxBytes, origin = false } = options;
    if (expectedSize !== undefined && maxBytes !== undefined && expectedSize > maxBytes) {
      throw new LayerswarmError('too-large', `the blob has ${expectedSize} bytes, ${maxBytes} are allowed`);
    }
    using _ = this.room.reserve(expectedSize ?? 0);
    if (expectedSize !== undefined) await this.room.make();
    const { digest, checkpoints } = await writeTempBlob(source, this.#parts.layout.temp, options, async ({ path, digest, checkpoints }) => {
      if (expectedSize === undefined && this.size(digest) === undefined) await this.room.make({ written: checkpoints.size });
      await this.#publish(path, digest, checkpoints, origin);
    });
    await this.#partials.superseded(digest);
    // what an origin accepted must survive a power loss together with the mark that keeps it
    if (origin) await this.#parts.metadata.flush();
    return { digest, size: checkpoints.size };
  }

  async openPartial(digest: Digest, size: number, pieceLength: number): Promise<PartialBlob> {
    return await this.lendPartial(digest, size, pieceLength, async (...args) => await PartialFile.open(...args));
  }

  async lendPartial<T extends OwnedPartial>(digest: Digest, size: number, pieceLength: number, open: OpenPartial<T>): Promise<T> {
    return await this.#partials.open(digest, size, pieceLength, open, () => this.room.make());
  }

  partials(): Iterable<{ digest: Digest; size: number; haveBytes: number }> {
    return this.#partials.list();
  }

  async delete(digest: Digest): Promise<boolean> {
    const partial = await this.#partials.delete(digest);
    return (await this.#names.run(digest.toString(), () => this.#unlink(digest, { durable: true }))) || partial;
  }

  async checkpoints(digest: Digest): Promise<Checkpoints | undefined> {
    const record = this.#parts.catalog.get(digest);
    return record === undefined ? undefined : this.#parts.catalog.checkpoints(record);
  }

  onChange(listener: (change: BlobChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  guard(digest: Digest): FileGuard {
    const { checked, catalog } = this.#parts;
    return {
      expected: (file) => {
        const record = catalog.get(digest);
        return record === undefined || checked.has(digest, file) ? undefined : (catalog.checkpoints(record) ?? 'unknown');
      },
      right: (file, found) => {
        this.#foundRight(digest, file, found);
      },
      wrong: () => this.#damaged(digest),
    };
  }

  doubt(digest: Digest): void {
    this.#parts.checked.forget(digest);
  }

  /** Its file was read whole, and is right. */
  #foundRight(digest: Digest, file: FileIdentity, found: Checkpoints): void {
    const { checked, catalog } = this.#parts;
    const record = catalog.get(digest);
    if (record === undefined) return;
    checked.add(digest, file);
    try {
      if (catalog.checkpoints(record) === undefined) catalog.setCheckpoints(digest, found);
    } catch {
      // a disk that takes nothing: they are made again
    }
  }

  async #damaged(digest: Digest): Promise<void> {
    const record = this.#parts.catalog.get(digest);
    if (record === undefined) return;
    const gone = Promise.withResolvers<void>();
    this.#parts.onDamaged?.({ digest, size: record.size, origin: record.origin }, gone.promise);
    await this.quarantine(digest);
    gone.resolve();
  }

  /** Moves a blob whose bytes are wrong out of the way. */
  async quarantine(digest: Digest): Promise<void> {
    await this.#names.run(digest.toString(), async () => {
      const record = this.#parts.catalog.get(digest);
      if (record === undefined) return;
      await rename(this.#parts.layout.blob(digest), this.#parts.layout.quarantined(digest)).catch((error: unknown) => {
        const known = storeError(error, `move ${digest.toString()} to the quarantine`);
        // a disk that takes nothing keeps the file, and nobody is given it all the same
        if (!isMissing(error) && !isStoreRefusal(known)) throw known;
      });
      this.#forget(record);
    });
  }

  stats(): BlobStoreStats {
    const { catalog, limits } = this.#parts;
    return { blobs: catalog.count, bytes: catalog.bytes, maxBytes: limits.maxBytes, partials: [...this.partials()].length };
  }

  async close(): Promise<void> {
    await this.#partials.closeAll();
    this.#parts.catalog.saveTimes();
  }

  async #publishPartial(partial: OwnedPartial): Promise<void> {
    const checkpoints = { size: partial.size, checkpointLength: partial.checkpointLength, digests: partial.prefixDigests };
    await this.#publish(partial.path, partial.digest, checkpoints, false);
    // the blob is there; what is left of its making goes when the store opens
    await rm(this.#parts.layout.partialFiles(partial.digest).state, { force: true }).catch(() => undefined);
  }

  /**
   * Gives a verified and synced file its name. The row comes first: without a file it is dropped when the store opens, and a
   * database that cannot be written leaves the file where it was.
   */
  async #publish(path: string, digest: Digest, checkpoints: Checkpoints, origin: boolean): Promise<void> {
    await this.#names.run(digest.toString(), async () => {
      const { layout, catalog } = this.#parts;
      const isNew = catalog.get(digest) === undefined;
      const file = await identityAt(path).catch((error: unknown) => {
        throw storeError(error, `look at ${path}`);
      });
      const record = catalog.prepare(digest, checkpoints, { origin, now: this.#parts.now() });
      try {
        await rename(path, layout.blob(digest));
        await syncFolder(layout.blobs(digest.algorithm));
      } catch (error) {
        if (isNew) catalog.withdraw(digest);
        throw storeError(error, `give ${digest.toString()} its name`);
      }
      catalog.remember(record);
      this.#parts.checked.add(digest, file);
      if (isNew) this.#tell({ kind: 'added', digest, size: checkpoints.size });
    });
  }

  async #evictBlob(digest: Digest): Promise<boolean> {
    return await this.#names.run(digest.toString(), async () => {
      const isFree = this.#parts.catalog.get(digest)?.readers === 0;
      return isFree && (await this.#unlink(digest, { durable: false }));
    });
  }

  /** @param options.durable a power loss cannot bring it back, as is due when people asked for it */
  async #unlink(digest: Digest, options: { durable: boolean }): Promise<boolean> {
    const { layout, catalog } = this.#parts;
    const record = catalog.get(digest);
    if (record === undefined) return false;
    try {
      await removeFile(layout.blob(digest));
      if (options.durable) await syncFolder(layout.blobs(digest.algorithm));
    } catch (error) {
      throw storeError(error, `delete ${digest.toString()}`);
    }
    this.#forget(record);
    return true;
  }

  #forget(record: BlobRecord): void {
    if (this.#parts.catalog.get(record.digest) !== record) return;
    this.#parts.catalog.remove(record);
    this.#tell({ kind: 'removed', digest: record.digest, size: record.size });
  }

  #tell(change: BlobChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function notFound(digest: Digest, cause?: unknown): LayerswarmError {
  return new LayerswarmError('not-found', `the store does not hold ${digest.toString()}`, { cause });
}
