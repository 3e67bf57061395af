import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, LayerswarmError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Digest } from '../oci/digest.ts';
import { FileBlobReader } from '../store/blobs/blob-reader.ts';
import type { BlobChange, BlobReader, Checkpoints } from '../store/blob-store.ts';
import type { ReadableBlobs } from '../store/blobs/layered-blob-store.ts';
import { PrefixHash } from '../store/partial/prefix-hash.ts';
import { isMissing, storeError } from '../store/store-error.ts';
import type { FileIdentity, VerifiedFiles } from './verified-files.ts';

export interface ContentStoreBlobsOptions {
  /** The folder that holds `sha256/<hex>`. */
  readonly blobs: string;
  readonly verified: VerifiedFiles;
  readonly log: Logger;
}

interface Entry {
  readonly digest: Digest;
  readonly size: number;
  /** The file whose bytes were found right. */
  checked: { readonly file: FileIdentity; readonly checkpoints: Checkpoints } | undefined;
  /** The file whose bytes were found wrong: it is not used, until it is another. */
  wrong: FileIdentity | undefined;
  checking: Promise<void> | undefined;
}

/**
 * The blobs of a content store that somebody else keeps, such as containerd's: read where they lie, never changed. Each file is read
 * and hashed once, before its first byte is given away, and that is remembered for as long as its inode, time and size stay.
 */
export class ContentStoreBlobs implements ReadableBlobs {
  readonly #options: ContentStoreBlobsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(change: BlobChange) => void>();
  readonly #closed = new AbortController();

  constructor(options: ContentStoreBlobsOptions) {
    this.#options = options;
  }

  size(digest: Digest): number | undefined {
    const entry = this.#entries.get(digest.toString());
    return entry === undefined || entry.wrong !== undefined ? undefined : entry.size;
  }

  *list(): Iterable<{ digest: Digest; size: number }> {
    for (const { digest, size, wrong } of this.#entries.values()) if (wrong === undefined) yield { digest, size };
  }

  /** Also those that are not used. */
  *all(): Iterable<{ digest: Digest; size: number }> {
    yield* this.#entries.values();
  }

  /** @throws `not-found`, also for a file whose bytes turn out to be wrong */
  async open(digest: Digest): Promise<BlobReader> {
    const size = this.size(digest);
    await this.verify(digest);
    try {
      return await FileBlobReader.open(this.path(digest), size ?? 0, () => undefined);
    } catch (error) {
      if (!isMissing(error)) throw storeError(error, `open ${this.path(digest)}`);
      this.remove(digest);
      throw notFound(digest, error);
    }
  }

  async checkpoints(digest: Digest): Promise<Checkpoints | undefined> {
    try {
      // Whoever asks for the list is about to ask for the bytes.
      await this.verify(digest);
    } catch (error) {
      if (errorCode(error) !== 'not-found') throw error;
    }
    return this.#entries.get(digest.toString())?.checked?.checkpoints;
  }

  onChange(listener: (change: BlobChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads and hashes the file unless that was done. Calls join. @throws `not-found` for what is not there, or wrong */
  async verify(digest: Digest): Promise<void> {
    const entry = this.#entries.get(digest.toString());
    if (entry === undefined || entry.wrong !== undefined) throw notFound(digest);
    entry.checking ??= this.#check(entry).finally(() => {
      entry.checking = undefined;
    });
    await entry.checking;
  }

  /** Reads and hashes the file again, whatever is remembered of it. */
  async check(digest: Digest): Promise<'ok' | 'corrupt' | 'missing'> {
    const entry = this.#entries.get(digest.toString());
    await entry?.checking?.catch(() => undefined);
    if (entry?.wrong === undefined) {
      if (entry !== undefined) entry.checked = undefined;
      this.#options.verified.delete(digest);
      try {
        await this.verify(digest);
        return 'ok';
      } catch (error) {
        if (errorCode(error) !== 'not-found') throw error;
      }
    }
    return this.#entries.get(digest.toString())?.wrong === undefined ? 'missing' : 'corrupt';
  }

  /** Whether its bytes were read and found right. */
  isVerified(digest: Digest): boolean {
    return this.#entries.get(digest.toString())?.checked !== undefined;
  }

  path(digest: Digest): string {
    return join(this.#options.blobs, digest.algorithm, digest.hex);
  }

  add(digest: Digest, size: number): void {
    const key = digest.toString();
    const known = this.#entries.get(key);
    if (known !== undefined && known.size === size && known.wrong === undefined) return;
    if (known === undefined) this.#insert(key, digest, size);
    else void this.#lookAgain(known, size);
  }

  remove(digest: Digest): void {
    const entry = this.#entries.get(digest.toString());
    if (entry === undefined) return;
    this.#entries.delete(digest.toString());
    this.#options.verified.delete(digest);
    if (entry.wrong === undefined) this.#tell({ kind: 'removed', digest, size: entry.size });
  }

  /** Ends the hashing that is under way. */
  async close(): Promise<void> {
    this.#closed.abort(new LayerswarmError('aborted', 'this node is stopping'));
    await Promise.allSettled(Array.from(this.#entries.values(), async ({ checking }) => await checking));
  }

  #insert(key: string, digest: Digest, size: number): void {
    this.#entries.set(key, { digest, size, checked: undefined, wrong: undefined, checking: undefined });
    this.#tell({ kind: 'added', digest, size });
  }

  /** What was wrong, or had another size, is used again when it is another file. */
  async #lookAgain(known: Entry, size: number): Promise<void> {
    const file = await identityOf(this.path(known.digest));
    if (
      file === undefined ||
      (known.wrong !== undefined && isSame(known.wrong, file)) ||
      this.#entries.get(known.digest.toString()) !== known
    )
      return;
    this.remove(known.digest);
    this.#insert(known.digest.toString(), known.digest, size);
  }

  async #check(entry: Entry): Promise<void> {
    const { digest, size } = entry;
    const file = await identityOf(this.path(digest));
    if (file === undefined) {
      this.remove(digest);
      throw notFound(digest);
    }
    if (entry.checked !== undefined && isSame(entry.checked.file, file)) return;
    entry.checked = undefined;
    const checkpoints = this.#options.verified.get(digest, file) ?? (await this.#hash(digest, size, file));
    const after = await identityOf(this.path(digest));
    if (checkpoints === undefined || file.size !== size || after === undefined || !isSame(after, file)) {
      this.#options.log.warn('a blob of the content store is not what its name says; it is not used', { path: this.path(digest) });
      entry.wrong = file;
      this.#tell({ kind: 'removed', digest, size });
      throw notFound(digest);
    }
    entry.checked = { file, checkpoints };
    this.#options.verified.set(digest, file, checkpoints);
  }

  /** Undefined when the bytes have another digest. */
  async #hash(digest: Digest, size: number, file: FileIdentity): Promise<Checkpoints | undefined> {
    if (file.size !== size) return undefined;
    const hash = new PrefixHash(digest.algorithm, size);
    const reader = await FileBlobReader.open(this.path(digest), size, () => undefined);
    try {
      for await (const chunk of reader.stream(0, size, { reuse: true })) {
        this.#closed.signal.throwIfAborted();
        hash.update(chunk);
      }
    } finally {
      await reader.close();
    }
    const { checkpointLength, digests } = hash;
    return digests.at(-1)?.equals(digest.bytes()) === true ? { size, checkpointLength, digests: [...digests] } : undefined;
  }

  #tell(change: BlobChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** Undefined for what is not a file. */
async function identityOf(path: string): Promise<FileIdentity | undefined> {
  const stat = await lstat(path, { bigint: true }).catch((error: unknown) => {
    if (!isMissing(error)) throw storeError(error, `look at ${path}`);
    return undefined;
  });
  return stat?.isFile() === true ? { inode: stat.ino, modifiedNs: stat.mtimeNs, size: Number(stat.size) } : undefined;
}

function isSame(a: FileIdentity, b: FileIdentity): boolean {
  return a.inode === b.inode && a.modifiedNs === b.modifiedNs && a.size === b.size;
}

function notFound(digest: Digest, cause?: unknown): LayerswarmError {
  return new LayerswarmError('not-found', `the content store does not hold ${digest.toString()}`, { cause });
}
