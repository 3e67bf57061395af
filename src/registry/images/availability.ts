import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { linkedDescriptors, type AnyManifest } from '../../oci/manifest.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { BlobExchange } from '../../swarm/swarm.ts';
import type { OriginCalls } from './origin-calls.ts';

const LOOKUPS_AT_ONCE = 16;

export interface AvailabilityOptions {
  readonly store: BlobStore;
  readonly exchange: BlobExchange;
  readonly calls: OriginCalls;
  readonly isExcluded: (repository: string) => boolean;
}

/**
 * Whether a client that is given a manifest can get what it links. A blob that turns out missing after the manifest was served
 * breaks podman and makes dockerd start the whole image over, while a manifest that is refused sends it to its next mirror.
 */
export class Availability {
  readonly #options: AvailabilityOptions;

  constructor(options: AvailabilityOptions) {
    this.#options = options;
  }

  /** @throws LayerswarmError `unavailable` naming the first digest that cannot be had */
  async require(repository: string, manifest: AnyManifest, signal: AbortSignal): Promise<void> {
    const { store, calls } = this.#options;
    const { blobs, children } = linkedDescriptors(manifest);
    const isMissing = ({ digest }: { digest: Digest }): boolean => store.size(digest) === undefined;
    if (manifest.kind === 'index' ? children.some((child) => !isMissing(child)) : !blobs.some(isMissing)) return;
    if (await calls.reachable(signal)) return;
    const missing =
      manifest.kind === 'index'
        ? await this.#allMissing(repository, children, signal)
        : await this.#firstMissing(repository, blobs.filter(isMissing), signal);
    if (missing === undefined) return;
    throw new LayerswarmError(
      'unavailable',
      `the origin is away and no member has ${missing.toString()}, which this image needs; try again when either is back`,
      { detail: { digest: missing } },
    );
  }

  /** The same for a blob alone, before its headers promise it. @throws LayerswarmError `unavailable` */
  async requireBlob(repository: string, digest: Digest, signal: AbortSignal): Promise<void> {
    if ((await this.#options.calls.reachable(signal)) || (await this.#findable(repository, digest, signal))) return;
    throw new LayerswarmError('unavailable', `the origin is away and no member has ${digest.toString()}; try again when either is back`);
  }

  async #firstMissing(repository: string, wanted: readonly { digest: Digest }[], signal: AbortSignal): Promise<Digest | undefined> {
    for (let start = 0; start < wanted.length; start += LOOKUPS_AT_ONCE) {
      const batch = wanted.slice(start, start + LOOKUPS_AT_ONCE);
      const found = await Promise.all(batch.map(({ digest }) => this.#findable(repository, digest, signal)));
      const missing = batch[found.indexOf(false)];
      if (missing !== undefined) return missing.digest;
    }
    return undefined;
  }

  /** An index can be served when one of its images can: which one the client wants is not known yet. */
  async #allMissing(repository: string, children: readonly { digest: Digest }[], signal: AbortSignal): Promise<Digest | undefined> {
    for (const { digest } of children) {
      if (await this.#findable(repository, digest, signal)) return undefined;
    }
    return children[0]?.digest;
  }

  #findable(repository: string, digest: Digest, signal: AbortSignal): Promise<boolean> {
    return this.#options.isExcluded(repository) ? Promise.resolve(false) : this.#options.exchange.findable(digest, signal);
  }
}
