import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';

/**
 * A registry that takes pushes: what seeding and replication need. Blobs and children first, the manifest that names them last.
 * Every method throws LayerswarmError as `Origin` does, and `origin-conflict`, `too-large`, `size-mismatch`.
 */
export interface RegistryWriter {
  blobExists(repository: string, digest: Digest, signal?: AbortSignal): Promise<boolean>;
  /** Links a blob of another repository of the same registry; false when the registry wants it uploaded instead. */
  mountBlob(repository: string, digest: Digest, from: string, signal?: AbortSignal): Promise<boolean>;
  /**
   * Uploads a blob of known digest and size. `source` is called again for each try, and must give the same bytes each time.
   * @throws `digest-mismatch`, `size-mismatch` when the source gives other bytes; the registry keeps nothing then
   */
  uploadBlob(
    repository: string,
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    source: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * Puts a manifest under a tag, or under its digest alone.
   * `subjectProcessed`: the registry lists it among the referrers of its subject by itself; else, where the manifest has a
   * subject, the writer keeps the referrers tag (distribution-spec 1.1, "Pushing Manifests with Subject").
   */
  putManifest(
    repository: string,
    manifest: RawManifest,
    tag?: string,
    signal?: AbortSignal,
  ): Promise<{ readonly subjectProcessed: boolean }>;
}
