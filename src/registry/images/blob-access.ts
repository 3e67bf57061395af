import { BoundedMap } from '../../bounded-map.ts';
import { errorCode } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { linkedDescriptors, type AnyManifest } from '../../oci/manifest.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { Repository } from '../namespace.ts';
import { isOriginAway, type OriginCalls } from './origin-calls.ts';
import type { RepositoryAccess } from './repository-access.ts';
import { SingleFlight } from './single-flight.ts';

const MAX_DECISIONS = 10_000;

export interface BlobAccessOptions {
  readonly store: BlobStore;
  readonly images: ImageStore;
  readonly calls: OriginCalls;
  /** For what is linked here. */
  readonly repositories: RepositoryAccess;
  readonly now: () => number;
  /** Milliseconds for which the origin's word that a repository holds a blob is not asked for again. */
  readonly ttlMs: number;
  /** The same while the origin is away. */
  readonly maxStaleMs: number;
}

/**
 * Which blobs a client may read through which repository: those that a manifest of the repository links, else those that the
 * origin confirms. A digest alone opens nothing, since a blob of a private repository may be in the store.
 */
export class BlobAccess {
  readonly #options: BlobAccessOptions;
  readonly #decisions = new BoundedMap<string, { readonly at: number; readonly size: number }>(MAX_DECISIONS);
  readonly #sizes = new BoundedMap<string, number>(MAX_DECISIONS);
  readonly #unkept = new BoundedMap<string, true>(MAX_DECISIONS);
  readonly #flights = new SingleFlight<number>();

  constructor(options: BlobAccessOptions) {
    this.#options = options;
  }

  /** Remembers a size that a verified manifest states. */
  learnSize(digest: Digest, size: number): void {
    this.#sizes.set(digest.toString(), size);
  }

  /** Remembers what a verified manifest links that the store did not take. */
  learnLinks(repository: Repository, manifest: AnyManifest): void {
    for (const { digest } of linkedDescriptors(manifest).blobs) this.#unkept.set(keyOf(repository, digest), true);
  }

  /** The blob's size in bytes where it is known here. @throws LayerswarmError `not-found`, `origin-…` */
  async check(repository: Repository, digest: Digest, signal: AbortSignal): Promise<number | undefined> {
    const { store, images, repositories, now, ttlMs } = this.#options;
    const key = keyOf(repository, digest);
    if (images.isLinked(repository.full, digest) || this.#unkept.has(key)) {
      await repositories.require(repository, (origin, aborted) => origin.blobSize(repository.name, digest, aborted), signal);
      return store.size(digest) ?? this.#sizes.get(digest.toString());
    }
    const decision = this.#decisions.get(key);
    if (decision !== undefined && Math.abs(now() - decision.at) < ttlMs) return decision.size;
    return this.#flights.run(key, () => this.#ask(repository, digest, key), signal);
  }

  async #ask(repository: Repository, digest: Digest, key: string): Promise<number> {
    const { calls, repositories, now, maxStaleMs } = this.#options;
    try {
      const size = await repositories.watch(repository, () =>
        calls.ask((origin, signal) => origin.blobSize(repository.name, digest, signal)),
      );
      this.#decisions.set(key, { at: now(), size });
      return size;
    } catch (error) {
      const decision = this.#decisions.get(key);
      if (isOriginAway(error) && decision !== undefined && now() - decision.at < maxStaleMs) return decision.size;
      if (errorCode(error) === 'not-found' || !isOriginAway(error)) this.#decisions.delete(key);
      throw error;
    }
  }
}

function keyOf({ full }: Repository, digest: Digest): string {
  return `${full}@${digest.toString()}`;
}
