import type { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ImageStore } from '../../store/image-store.ts';
import type { Namespaces, Repository } from '../namespace.ts';
import type { Upstream } from '../upstream.ts';

/** Of the time that headers may take, what is left over where a source is waited for. */
export const HEADERS_MARGIN_MS = 500;

/** What the pull handlers work with. */
export interface PullContext {
  readonly namespaces: Namespaces;
  readonly upstreamOf: (repository: Repository) => Upstream;
  readonly store: BlobStore;
  readonly images: ImageStore;
  readonly observer: PullObserver & StoreObserver & LazyObserver;
  /** Parts of blobs that are not here are given before everything in front of them is proven. */
  readonly lazyRanges: boolean;
  /** Milliseconds until the headers of an answer must be on their way. */
  readonly deadlineMs: number;
}

/** `store`: the whole blob was here already. `swarm`: it is being fetched. `origin`: passed through, since the store cannot take it. */
export type BlobServedFrom = 'store' | 'swarm' | 'origin';

/** What clients were given, for receipts. */
export interface PullObserver {
  /** `reference` is the tag or digest as the client asked; `repository` holds the registry. */
  manifestServed(served: { repository: string; reference: string; digest: Digest; isHead: boolean }): void;
  /** The answer to a blob request began. */
  blobServed(served: { repository: string; digest: Digest; size: number; source: BlobServedFrom }): void;
}

export interface LazyObserver {
  /** Bytes went to a client straight from the registry, before their digest was proven. */
  vouchedToClient(bytes: number): void;
}

export interface StoreObserver {
  /** The store could not take a blob of `size` bytes. */
  storeRefused(error: LayerswarmError, size: number): void;
}
