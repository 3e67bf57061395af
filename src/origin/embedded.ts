import { LayerswarmError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { linkedDescriptors, type RawManifest, rawManifest, statedMediaType } from '../oci/manifest.ts';
import { checkRepositoryName, checkTag } from '../oci/name.ts';
import { referrersIndex } from '../oci/referrers.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { ImageStore } from '../store/images/image-store.ts';
import { abortedError } from './origin-error.ts';
import type { Origin, OriginHealth } from './origin.ts';
import { registryNameOf } from './registry-name.ts';

export interface EmbeddedOriginOptions {
  /** This node's peer id, base58. */
  readonly peerId: string;
  readonly store: Pick<BlobStore, 'size' | 'open' | 'write' | 'delete'>;
  readonly images: ImageStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What a manifest is pushed as. */
export type PushReference = { readonly kind: 'tag'; readonly tag: string } | { readonly kind: 'digest'; readonly digest: Digest };

/**
 * This node as the origin of its swarm: content comes in by pushes, is kept whatever the size limit says, and is on disk, with
 * its links and tags, before a push is answered.
 */
export class EmbeddedOrigin implements Origin {
  readonly url: string;
  readonly #options: EmbeddedOriginOptions;
  readonly #registry: string;
  readonly #startedAt: number;
  #bytes = 0;

  constructor(options: EmbeddedOriginOptions) {
    this.#options = options;
    this.#startedAt = options.now();
    this.url = `embedded:${options.peerId}`;
    this.#registry = registryNameOf(this.url);
  }

  get health(): OriginHealth {
    return { state: 'ok', bytes: this.#bytes, reachedAt: this.#startedAt };
  }

  probe(): Promise<OriginHealth> {
    return Promise.resolve(this.health);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async resolveTag(repository: string, tag: string, signal?: AbortSignal): Promise<Digest> {
    checkSignal(signal);
    const record = this.#options.images.tag(this.#full(repository), checkTag(tag));
    if (record === undefined) throw notFound(`${repository}:${tag}`);
    return record.digest;
  }

  async manifest(repository: string, digest: Digest, signal?: AbortSignal): Promise<RawManifest> {
    checkSignal(signal);
    const raw = await this.#options.images.manifest(this.#full(repository), digest);
    if (raw === undefined) throw notFound(`${repository}@${digest.toString()}`);
    return raw;
  }

  async blobSize(repository: string, digest: Digest, signal?: AbortSignal): Promise<number> {
    checkSignal(signal);
    const size = this.#options.images.isLinked(this.#full(repository), digest) ? this.#options.store.size(digest) : undefined;
    if (size === undefined) throw notFound(`the blob ${digest.toString()} of ${repository}`);
    return size;
  }

  async *readBlob(
    repository: string,
    digest: Digest,
    range: { start: number; end: number },
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    await this.blobSize(repository, digest, signal);
    const reader = await this.#options.store.open(digest);
    try {
      for await (const chunk of reader.stream(range.start, range.end)) {
        checkSignal(signal);
        this.#bytes += chunk.length;
        yield chunk;
      }
    } finally {
      await reader.close();
    }
  }

  async tags(repository: string, signal?: AbortSignal): Promise<string[]> {
    checkSignal(signal);
    const full = this.#full(repository);
    if (!this.#options.images.repositories().includes(full)) throw notFound(`the repository ${repository}`);
    return this.#options.images.tags(full);
  }

  async referrers(repository: string, subject: Digest, artifactType?: string, signal?: AbortSignal): Promise<Buffer> {
    checkSignal(signal);
    return referrersIndex(await this.#options.images.referrers(this.#full(repository), subject), artifactType);
  }

  /** Whether a manifest of the repository may link the blob. */
  hasBlob(repository: string, digest: Digest): boolean {
    return this.#options.images.isLinked(this.#full(repository), digest) && this.#options.store.size(digest) !== undefined;
  }

  /** Keeps a blob; it is on disk when this resolves. @throws LayerswarmError `digest-mismatch`, `size-mismatch`, `disk-full`, `aborted` */
  async putBlob(
    repository: string,
    digest: Digest,
    source: AsyncIterable<Uint8Array>,
    options: { size?: number; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { store, images } = this.#options;
    await store.write(source, {
      expected: digest,
      origin: true,
      ...(options.size === undefined ? {} : { expectedSize: options.size }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    images.link(this.#full(repository), digest);
    await images.flush();
  }

  /** Links a blob of another repository here; false when that repository does not hold it. */
  async mountBlob(repository: string, digest: Digest, from: string): Promise<boolean> {
    if (!this.hasBlob(from, digest)) return false;
    this.#options.images.link(this.#full(repository), digest);
    await this.#options.images.flush();
    return true;
  }

  /**
   * Keeps a manifest exactly as it came, once all that it links is here. It is on disk when this resolves.
   * @throws LayerswarmError `manifest-invalid`, `digest-mismatch`, `too-large`, `disk-full`; `not-found` with `detail.missing` for the first digest that is not here
   */
  async putManifest(
    repository: string,
    reference: PushReference,
    bytes: Buffer,
    mediaType: string | undefined,
  ): Promise<{ digest: Digest; subject: Digest | undefined }> {
    const { store, images, now } = this.#options;
    const full = this.#full(repository);
    const { raw, manifest } = rawManifest(bytes, { mediaType, expected: reference.kind === 'digest' ? reference.digest : undefined });
    if (manifest.kind === 'opaque') throw new LayerswarmError('manifest-invalid', `the manifest is not acceptable: ${manifest.why}`);
    const stated = statedMediaType(bytes);
    if (mediaType !== undefined && stated !== undefined && stated !== mediaType) {
      throw new LayerswarmError(
        'manifest-invalid',
        `the manifest is not acceptable: its mediaType says ${stated}, but it was announced as ${mediaType.slice(0, 100)}`,
      );
    }
    const { blobs, children, subject } = linkedDescriptors(manifest);
    for (const { digest, size } of blobs) {
      if (!this.hasBlob(repository, digest)) throw missing(repository, digest, 'blob');
      const held = store.size(digest);
      if (held !== size)
        throw new LayerswarmError(
          'size-mismatch',
          `the manifest says that ${digest.toString()} has ${size} bytes; it has ${held ?? 'none'}`,
        );
    }
    for (const { digest } of children) {
      if ((await images.manifest(full, digest)) === undefined) throw missing(repository, digest, 'manifest');
    }
    await store.write(once(bytes), { expected: raw.digest, expectedSize: bytes.length, origin: true });
    await images.putManifest(full, raw);
    if (reference.kind === 'tag') images.setTag(full, reference.tag, raw.digest, now());
    await images.flush();
    return { digest: raw.digest, subject: subject?.digest };
  }

  /** @throws LayerswarmError `not-found` */
  async deleteTag(repository: string, tag: string): Promise<void> {
    if (!this.#options.images.deleteTag(this.#full(repository), tag)) throw notFound(`${repository}:${tag}`);
    await this.#options.images.flush();
  }

  /** Takes the manifest and its tags out of the repository; blobs stay until they are deleted or collected. @throws LayerswarmError `not-found` */
  async deleteManifest(repository: string, digest: Digest): Promise<void> {
    if (!(await this.#options.images.deleteManifest(this.#full(repository), digest))) throw notFound(`${repository}@${digest.toString()}`);
    await this.#options.images.flush();
  }

  /**
   * Takes a blob out of the repository, and off the disk when no other repository links it.
   * @throws LayerswarmError `not-found`; `unsupported` while a manifest of the repository needs it
   */
  async deleteBlob(repository: string, digest: Digest): Promise<void> {
    const { store, images } = this.#options;
    if (!this.hasBlob(repository, digest)) throw notFound(`the blob ${digest.toString()} of ${repository}`);
    const full = this.#full(repository);
    images.unlink(full, digest);
    if (images.isLinked(full, digest)) {
      images.link(full, digest);
      throw new LayerswarmError('unsupported', `a manifest of ${repository} links ${digest.toString()}; delete the manifest first`);
    }
    await images.flush();
    if (images.repositoriesOf(digest).length === 0) await store.delete(digest);
  }

  #full(repository: string): string {
    return `${this.#registry}/${checkRepositoryName(repository)}`;
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** Everything here is answered from memory and disk: looking once is enough. */
function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError('a look into this registry', signal);
}

function notFound(what: string): LayerswarmError {
  return new LayerswarmError('not-found', `${what} is not in this registry`);
}

function missing(repository: string, digest: Digest, kind: 'blob' | 'manifest'): LayerswarmError {
  return new LayerswarmError(
    'not-found',
    `the manifest links the ${kind} ${digest.toString()}, which ${repository} does not hold; push it first`,
    { detail: { missing: digest } },
  );
}
