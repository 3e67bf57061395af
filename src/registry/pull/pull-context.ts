import { errorCode, type LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { ClientName } from '../client-name.ts';
import { OciError } from '../http-error.ts';
import type { Namespaces, Repository } from '../namespace.ts';
import type { Upstream } from '../upstream.ts';
import type { HeldBlobs } from './held-blobs.ts';

/** Of the time that headers may take, what is left over where a source is waited for. */
export const HEADERS_MARGIN_MS = 500;

/** What the pull handlers work with. */
export interface PullContext {
  readonly namespaces: Namespaces;
  readonly upstreamOf: (repository: Repository) => Upstream;
  readonly store: BlobStore;
  readonly images: ImageStore;
  /** What passes through. */
  readonly held: HeldBlobs;
  readonly observer: PullObserver & StoreObserver & LazyObserver;
  /** Parts of blobs that are not here are given before everything in front of them is proven. */
  readonly lazyRanges: boolean;
  /** Milliseconds until the headers of an answer must be on their way. */
  readonly deadlineMs: number;
}

/** `store`: the whole blob was here already. `swarm`: it is being fetched. `origin`: passed through, since the store cannot take it, whoever gave it. */
export type BlobServedFrom = 'store' | 'swarm' | 'origin';

/** The answer's header that names the pull which the request is part of, as its receipt does. */
export const PULL_HEADER = 'Layerswarm-Pull';

/** What clients were given, for receipts. `repository` holds the registry. */
export interface PullObserver {
  /** `reference` is the tag or digest as the client asked. Returns the id of the pull. */
  manifestServed(served: { repository: string; reference: string; digest: Digest; isHead: boolean; client: ClientName }): string;
  /** Neither the origin nor the swarm could give it; not for what is not there. */
  manifestFailed(failed: { repository: string; reference: string; client: ClientName; error: string }): void;
  /** The answer to a blob request began. Returns the id of the pull, where one is known. */
  blobServed(served: { repository: string; digest: Digest; size: number; source: BlobServedFrom }): string | undefined;
  /** Id of the pull that a blob is part of, where one is known. */
  pullOf(repository: string, digest: Digest): string | undefined;
  blobFailed(failed: { repository: string; digest: Digest; error: string }): void;
}

export interface LazyObserver {
  /** Bytes went to a client straight from the registry, before their digest was proven. */
  vouchedToClient(bytes: number): void;
}

export interface StoreObserver {
  /** The store could not take a blob of `size` bytes. */
  storeRefused(error: LayerswarmError, size: number): void;
  /** What it would refuse such a blob with, as far as is known. */
  storeRefusal(size: number): LayerswarmError | undefined;
}

/** Whether an error tells of a pull that failed: clients ask for much that is not there, and leave when they like. */
export function isPullFailure(error: unknown): boolean {
  return (
    !['not-found', 'aborted', 'reference-invalid', 'digest-invalid', 'name-invalid', 'range-invalid'].includes(errorCode(error)) &&
    !(error instanceof OciError)
  );
}
