import { Digest } from '../../oci/digest.ts';
import { linkedDescriptors, type AnyManifest, type RawManifest } from '../../oci/manifest.ts';
import { checkTag } from '../../oci/name.ts';
import type { Origin } from '../../origin/origin.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { BlobExchange } from '../../swarm/swarm.ts';
import type { Repository } from '../namespace.ts';
import { Availability } from './availability.ts';
import { BlobAccess } from './blob-access.ts';
import { ManifestSource } from './manifest-source.ts';
import { OriginCalls } from './origin-calls.ts';
import { RepositoryAccess } from './repository-access.ts';
import { type ResolvedTag, TagResolver, type TagRules, type TagWitnesses } from './tag-resolver.ts';

export interface ImageResolverOptions {
  readonly store: BlobStore;
  readonly images: ImageStore;
  readonly exchange: BlobExchange;
  readonly origin: () => Origin | undefined;
  readonly tagMemory: TagWitnesses;
  readonly isExcluded: (repository: string) => boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Called for each answer that rests on a tag whose mapping the origin could not confirm. */
  readonly onStale: () => void;
  readonly timing?: Partial<ImageTiming>;
  /** In place of `tagTtl` and `tagMaxStale`, where they may change. */
  readonly tagRules?: () => TagRules;
}

/** All in milliseconds. */
export interface ImageTiming {
  readonly tagTtl: number;
  readonly tagMaxStale: number;
  readonly accessTtl: number;
  readonly accessMaxStale: number;
  readonly originTimeout: number;
  readonly originQuiet: number;
  readonly memoryTimeout: number;
  readonly headStart: number;
  readonly manifestTimeout: number;
}

const DEFAULT_TIMING: ImageTiming = {
  tagTtl: 30_000,
  tagMaxStale: 7 * 24 * 3_600_000,
  accessTtl: 300_000,
  accessMaxStale: 7 * 24 * 3_600_000,
  // three seconds for the origin and one for the members leave time to answer within five
  originTimeout: 3_000,
  memoryTimeout: 1_000,
  originQuiet: 5_000,
  headStart: 150,
  manifestTimeout: 10_000,
};

export interface ResolvedManifest {
  readonly raw: RawManifest;
  readonly manifest: AnyManifest;
  /** How the tag was resolved; undefined for a request by digest. */
  readonly tag: ResolvedTag | undefined;
}

/** What this node answers for an image reference: the rules of "Tag freshness" and of access, for clients and for prefetching. */
export class ImageResolver {
  readonly calls: OriginCalls;
  readonly access: BlobAccess;
  readonly availability: Availability;
  /** Repositories that are never shared in the swarm. */
  readonly isExcluded: (repository: string) => boolean;
  readonly #tags: TagResolver;
  readonly #manifests: ManifestSource;

  constructor(options: ImageResolverOptions) {
    const timing = { ...DEFAULT_TIMING, ...options.timing };
    this.isExcluded = options.isExcluded;
    this.calls = new OriginCalls({ ...options, timeoutMs: timing.originTimeout, quietMs: timing.originQuiet, trustMs: timing.tagTtl });
    const repositories = new RepositoryAccess({
      ...options,
      calls: this.calls,
      ttlMs: timing.accessTtl,
      maxStaleMs: timing.accessMaxStale,
    });
    const shared = { ...options, calls: this.calls, repositories };
    this.access = new BlobAccess({ ...shared, ttlMs: timing.accessTtl, maxStaleMs: timing.accessMaxStale });
    this.#tags = new TagResolver({
      ...shared,
      rules: options.tagRules ?? (() => ({ ttl: timing.tagTtl, staleFor: timing.tagMaxStale })),
      memoryTimeoutMs: timing.memoryTimeout,
    });
    this.#manifests = new ManifestSource({
      ...shared,
      onUnkept: (repository, manifest) => this.access.learnLinks(repository, manifest),
      headStartMs: timing.headStart,
      timeoutMs: timing.manifestTimeout,
    });
    this.availability = new Availability(shared);
  }

  /** @throws LayerswarmError `not-found`, `origin-unauthorized`, `origin-denied`, `origin-…` when it is away and nobody remembers */
  resolveTag(repository: Repository, tag: string, signal: AbortSignal): Promise<ResolvedTag> {
    return this.#tags.resolve(repository, checkTag(tag), signal);
  }

  /**
   * The manifest of a tag or digest, verified, kept, and with all that it links to be had.
   * @throws LayerswarmError as `resolveTag`, and `digest-invalid`, `reference-invalid`, `digest-mismatch`, `manifest-invalid`, `unavailable`
   */
  async manifest(repository: Repository, reference: string, signal: AbortSignal): Promise<ResolvedManifest> {
    const tag = reference.includes(':') ? undefined : await this.resolveTag(repository, reference, signal);
    const digest = tag?.digest ?? Digest.parse(reference);
    const { raw, manifest } = await this.#manifests.get(repository, digest, tag?.kind === 'fresh', signal);
    const { blobs } = linkedDescriptors(manifest);
    for (const { digest, size } of blobs) this.access.learnSize(digest, size);
    await this.availability.require(repository.name, manifest, signal);
    return { raw, manifest, tag };
  }
}
