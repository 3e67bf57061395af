import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';
import type { EmbeddedOrigin } from './embedded.ts';
import type { RegistryWriter } from './registry-writer.ts';

/** The write side of this node's own origin, as that of any registry. */
export class EmbeddedWriter implements RegistryWriter {
  readonly #origin: EmbeddedOrigin;

  constructor(origin: EmbeddedOrigin) {
    this.#origin = origin;
  }

  blobExists(repository: string, digest: Digest): Promise<boolean> {
    return Promise.resolve(this.#origin.hasBlob(repository, digest));
  }

  mountBlob(repository: string, digest: Digest, from: string): Promise<boolean> {
    return this.#origin.mountBlob(repository, digest, from);
  }

  async uploadBlob(
    repository: string,
    { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
    source: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#origin.putBlob(repository, digest, source(), { size, ...(signal === undefined ? {} : { signal }) });
  }

  async putManifest(
    repository: string,
    { digest, bytes, mediaType }: RawManifest,
    tag?: string,
  ): Promise<{ readonly subjectProcessed: boolean }> {
    await this.#origin.putManifest(repository, tag === undefined ? { kind: 'digest', digest } : { kind: 'tag', tag }, bytes, mediaType);
    return { subjectProcessed: true };
  }
}
