import { errorCode, LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import {
  linkedDescriptors,
  MAX_MANIFEST_BYTES,
  rawManifest,
  readManifest,
  type AnyManifest,
  type RawManifest,
} from '../../oci/manifest.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import { isStoreRefusal, keepIfTaken } from '../../store/store-error.ts';
import type { BlobExchange, BlobFetch } from '../../swarm/swarm.ts';
import type { Repository } from '../namespace.ts';
import type { OriginCalls } from './origin-calls.ts';
import type { RepositoryAccess } from './repository-access.ts';
import { abortable, SingleFlight } from './single-flight.ts';

export interface ManifestSourceOptions {
  readonly store: BlobStore;
  readonly images: ImageStore;
  readonly exchange: BlobExchange;
  readonly calls: OriginCalls;
  readonly repositories: RepositoryAccess;
  /** Repositories that are never shared in the swarm. */
  readonly isExcluded: (repository: string) => boolean;
  /** Told of a manifest that the store did not take. */
  readonly onUnkept: (repository: Repository, manifest: AnyManifest) => void;
  /** Milliseconds that the members have before the origin is asked as well. */
  readonly headStartMs: number;
  /** Milliseconds after which the search for one manifest ends. */
  readonly timeoutMs: number;
}

export interface FoundManifest {
  readonly raw: RawManifest;
  readonly manifest: AnyManifest;
}

/** Manifests by digest: from the store, else from the swarm, else from the origin; kept with their links. */
export class ManifestSource {
  readonly #options: ManifestSourceOptions;
  readonly #flights = new SingleFlight<FoundManifest>();

  constructor(options: ManifestSourceOptions) {
    this.#options = options;
  }

  /**
   * @param isOrigins the origin has said that the repository holds this digest
   * @throws LayerswarmError `not-found`, `origin-…`, `digest-mismatch`, `manifest-invalid`, `too-large`, `unavailable`, `timeout`
   */
  async get(repository: Repository, digest: Digest, isOrigins: boolean, signal: AbortSignal): Promise<FoundManifest> {
    const { images } = this.#options;
    if (!isOrigins && images.isLinked(repository.full, digest)) await this.#requireAccess(repository, digest, signal);
    const kept = await images.manifest(repository.full, digest);
    if (kept !== undefined) return this.#linked(repository, kept);
    return this.#flights.run(`${repository.full}@${digest.toString()}`, () => this.#find(repository, digest, isOrigins), signal);
  }

  /** A manifest that came by another repository, and is here as the child of an index, has yet to link its blobs here. */
  async #linked(repository: Repository, raw: RawManifest): Promise<FoundManifest> {
    const { images } = this.#options;
    const manifest = readManifest(raw.bytes, raw.mediaType);
    const { blobs, children } = linkedDescriptors(manifest);
    const [first] = [...blobs, ...children];
    if (first !== undefined && !images.isLinked(repository.full, first.digest)) await images.putManifest(repository.full, raw);
    return { raw, manifest };
  }

  async #find(repository: Repository, digest: Digest, isOrigins: boolean): Promise<FoundManifest> {
    const { images, isExcluded, calls, timeoutMs } = this.#options;
    const deadline = AbortSignal.timeout(timeoutMs);
    const fromOrigin = (): Promise<FoundManifest> => this.#fromOrigin(repository, digest);
    let found: FoundManifest;
    if (isExcluded(repository.name)) {
      found = await fromOrigin();
    } else if (isOrigins || images.isLinked(repository.full, digest)) {
      found = await this.#race(repository, digest, fromOrigin, deadline);
    } else if (await calls.reachable(deadline)) {
      // whether this repository holds it is the origin's to say, and its answer is the manifest
      found = await fromOrigin();
    } else {
      await this.#requireAccess(repository, digest, deadline);
      found = await this.#fromPeersAlone(repository, digest, deadline);
    }
    const refusal = await keepIfTaken(() => images.putManifest(repository.full, found.raw));
    if (refusal !== undefined) this.#options.onUnkept(repository, found.manifest);
    return found;
  }

  /** Registries count reads of manifests, and hardly ever those of a blob's size. */
  async #requireAccess(repository: Repository, digest: Digest, signal: AbortSignal): Promise<void> {
    const { images, repositories } = this.#options;
    await repositories.require(
      repository,
      async (origin, aborted) => {
        const kept = await images.manifest(repository.full, digest);
        const [blob] = kept === undefined ? [] : linkedDescriptors(readManifest(kept.bytes, kept.mediaType)).blobs;
        await (blob === undefined
          ? origin.manifest(repository.name, digest, aborted)
          : origin.blobSize(repository.name, blob.digest, aborted));
      },
      signal,
    );
  }

  /** Members first, since registries count manifest requests; but nobody waits long for members that have nothing. */
  async #race(
    repository: Repository,
    digest: Digest,
    fromOrigin: () => Promise<FoundManifest>,
    deadline: AbortSignal,
  ): Promise<FoundManifest> {
    const won = new AbortController();
    const peers = this.#fromPeers(repository, digest, AbortSignal.any([deadline, won.signal]));
    const origin = headStart(peers, this.#options.headStartMs).then(fromOrigin);
    try {
      return await Promise.any([peers, origin]);
    } catch (error) {
      // the origin's reason is the one that a person can act on
      throw error instanceof AggregateError ? error.errors[1] : error;
    } finally {
      won.abort();
    }
  }

  async #fromOrigin(repository: Repository, digest: Digest): Promise<FoundManifest> {
    const { calls, repositories } = this.#options;
    const raw = await repositories.watch(repository, () => calls.ask((origin, signal) => origin.manifest(repository.name, digest, signal)));
    return { raw, manifest: readManifest(raw.bytes, raw.mediaType) };
  }

  /** That no member has it says nothing about the origin, which is away. */
  async #fromPeersAlone(repository: Repository, digest: Digest, signal: AbortSignal): Promise<FoundManifest> {
    try {
      return await this.#fromPeers(repository, digest, signal);
    } catch (error) {
      if (errorCode(error) !== 'not-found') throw error;
      throw new LayerswarmError(
        'unavailable',
        `the origin is away and no member has the manifest ${digest.toString()}; try again when either is back`,
        { cause: error },
      );
    }
  }

  async #fromPeers(repository: Repository, digest: Digest, signal: AbortSignal): Promise<FoundManifest> {
    const { exchange } = this.#options;
    const fetch = exchange.fetch({ digest, repository: repository.name, sources: 'peers' });
    try {
      const size = await abortable(fetch.size(), signal);
      if (size > MAX_MANIFEST_BYTES)
        throw new LayerswarmError('too-large', `${digest.toString()} has ${size} bytes; a manifest has at most ${MAX_MANIFEST_BYTES}`);
      const isKept = await abortable(whetherKept(fetch), signal);
      return rawManifest(isKept ? await this.#readWhole(digest) : await this.#readHeld(digest, size, signal), { expected: digest });
    } finally {
      fetch.release();
    }
  }

  async #readHeld(digest: Digest, size: number, signal: AbortSignal): Promise<Buffer> {
    return Buffer.concat(await Array.fromAsync(this.#options.exchange.readHeld(digest, { start: 0, end: size }, signal)));
  }

  async #readWhole(digest: Digest): Promise<Buffer> {
    const reader = await this.#options.store.open(digest);
    try {
      return await reader.read(0, reader.size);
    } finally {
      await reader.close();
    }
  }
}

/** False where the store takes nothing. @throws what else the fetch fails with */
async function whetherKept(fetch: BlobFetch): Promise<boolean> {
  try {
    await fetch.done();
    return true;
  } catch (error) {
    if (isStoreRefusal(error)) return false;
    throw error;
  }
}

/** Resolves after `ms`, or as soon as `attempt` fails; never when it succeeds first. */
function headStart(attempt: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    attempt.then(
      () => clearTimeout(timer),
      () => {
        clearTimeout(timer);
        resolve();
      },
    );
  });
}
