import { errorCode } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobChange, BlobReader, BlobStore, Checkpoints, PartialBlob, WriteOptions } from '../blob-store.ts';
import type { FileGuard } from './blob-check.ts';
import type { GuardedBlobs } from './disk-blob-store.ts';
import type { OpenPartial, OwnedPartial, PartialLender } from '../partial/partial-owner.ts';

/** The part of `BlobStore` that a store of somebody else has. */
export type ReadableBlobs = Pick<BlobStore, 'size' | 'list' | 'open' | 'checkpoints' | 'onChange'>;

/** This node's own store over a read-only one: what either holds is here; what is written, goes into the own one. */
export class LayeredBlobStore implements BlobStore, PartialLender, GuardedBlobs {
  readonly #own: BlobStore & PartialLender & GuardedBlobs;
  readonly #other: ReadableBlobs;

  constructor(own: BlobStore & PartialLender & GuardedBlobs, other: ReadableBlobs) {
    this.#own = own;
    this.#other = other;
  }

  size(digest: Digest): number | undefined {
    return this.#own.size(digest) ?? this.#other.size(digest);
  }

  *list(): Iterable<{ digest: Digest; size: number }> {
    yield* this.#own.list();
    for (const blob of this.#other.list()) if (this.#own.size(blob.digest) === undefined) yield blob;
  }

  async open(digest: Digest): Promise<BlobReader> {
    try {
      return await this.#own.open(digest);
    } catch (error) {
      if (errorCode(error) !== 'not-found' || this.#other.size(digest) === undefined) throw error;
      return await this.#other.open(digest);
    }
  }

  async write(source: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<{ digest: Digest; size: number }> {
    return await this.#own.write(source, options);
  }

  async openPartial(digest: Digest, size: number, pieceLength: number): Promise<PartialBlob> {
    return await this.#own.openPartial(digest, size, pieceLength);
  }

  async lendPartial<T extends OwnedPartial>(digest: Digest, size: number, pieceLength: number, open: OpenPartial<T>): Promise<T> {
    return await this.#own.lendPartial(digest, size, pieceLength, open);
  }

  partials(): Iterable<{ digest: Digest; size: number; haveBytes: number }> {
    return this.#own.partials();
  }

  /** Of what is this node's own: the other store sees to its files itself. */
  guard(digest: Digest): FileGuard | undefined {
    return this.#own.size(digest) === undefined ? undefined : this.#own.guard(digest);
  }

  doubt(digest: Digest): void {
    this.#own.doubt(digest);
  }

  /** Only what is this node's own. */
  async delete(digest: Digest): Promise<boolean> {
    return await this.#own.delete(digest);
  }

  async checkpoints(digest: Digest): Promise<Checkpoints | undefined> {
    return (await this.#own.checkpoints(digest)) ?? (await this.#other.checkpoints(digest));
  }

  /** A blob that both hold comes with the first and goes with the last. */
  onChange(listener: (change: BlobChange) => void): () => void {
    const unless =
      (holder: ReadableBlobs) =>
      (change: BlobChange): void => {
        if (holder.size(change.digest) === undefined) listener(change);
      };
    const unsubscribe = [this.#own.onChange(unless(this.#other)), this.#other.onChange(unless(this.#own))];
    return () => {
      for (const end of unsubscribe) end();
    };
  }
}
