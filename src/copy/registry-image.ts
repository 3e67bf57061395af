import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type RawManifest } from '../oci/manifest.ts';
import { MediaType } from '../oci/media-type.ts';
import { referrersTag } from '../oci/referrers.ts';
import type { Origin } from '../origin/origin.ts';
import type { Attachments, ImageSource } from './image-source.ts';
import { missingAsUndefined } from './copy-target.ts';

export type SourceRegistry = Pick<Origin, 'url' | 'resolveTag' | 'manifest' | 'readBlob' | 'tags' | 'referrers'>;

export interface RegistryImageOptions {
  readonly registry: SourceRegistry;
  readonly repository: string;
  /** Tag or digest. */
  readonly reference: string | Digest;
  /** Stands for reading blobs from the registry itself, e.g. the swarm. */
  readonly blob?: ((blob: Descriptor, signal?: AbortSignal) => AsyncIterable<Uint8Array>) | undefined;
  /** Closes the registry's client with the source. */
  readonly close?: (() => Promise<void>) | undefined;
}

/** An image of a registry, with what refers to it there. */
export class RegistryImage implements ImageSource {
  readonly name: string;
  readonly attachments: Attachments;
  readonly #options: RegistryImageOptions;
  #tags: Promise<readonly string[]> | undefined;

  constructor(options: RegistryImageOptions) {
    const { registry, repository, reference } = options;
    this.#options = options;
    this.name =
      typeof reference === 'string'
        ? `${registry.url}/${repository}:${reference}`
        : `${registry.url}/${repository}@${reference.toString()}`;
    this.attachments = {
      referrers: (subject, signal) => this.#referrers(subject, signal),
      tags: (subject, signal) => this.#tagsOf(subject, signal),
    };
  }

  async root(signal?: AbortSignal): Promise<RawManifest> {
    const { registry, repository, reference } = this.#options;
    return registry.manifest(
      repository,
      typeof reference === 'string' ? await registry.resolveTag(repository, reference, signal) : reference,
      signal,
    );
  }

  manifest(digest: Digest, signal?: AbortSignal): Promise<RawManifest> {
    return this.#options.registry.manifest(this.#options.repository, digest, signal);
  }

  blob(blob: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const { registry, repository } = this.#options;
    return this.#options.blob?.(blob, signal) ?? registry.readBlob(repository, blob.digest, { start: 0, end: blob.size }, signal);
  }

  async close(): Promise<void> {
    await this.#options.close?.();
  }

  /** A registry without the API keeps a list under a tag, which `tags` gives. */
  async #referrers(subject: Digest, signal: AbortSignal | undefined): Promise<Digest[]> {
    const { registry, repository } = this.#options;
    const bytes = await missingAsUndefined(registry.referrers(repository, subject, undefined, signal));
    if (bytes === undefined) return [];
    const index = parseManifest(bytes, MediaType.ociIndex);
    return index.kind === 'index' ? index.manifests.map(({ digest }) => digest) : [];
  }

  async #tagsOf(subject: Digest, signal: AbortSignal | undefined): Promise<{ tag: string; digest: Digest }[]> {
    const { registry, repository } = this.#options;
    this.#tags ??= missingAsUndefined(registry.tags(repository, signal)).then((tags) => tags ?? []);
    const name = referrersTag(subject);
    const found: { tag: string; digest: Digest }[] = [];
    for (const tag of await this.#tags) {
      if (tag !== name && !tag.startsWith(`${name}.`)) continue;
      const digest = await missingAsUndefined(registry.resolveTag(repository, tag, signal));
      if (digest !== undefined) found.push({ tag, digest });
    }
    return found;
  }
}
