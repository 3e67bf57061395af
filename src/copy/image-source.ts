import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';

/**
 * One image where it lies: in a registry, in the store, in an archive, in a folder. Manifests come verified, bytes of blobs as
 * they are: whoever takes them checks the digest. Every method throws LayerswarmError, `not-found` for what is not there.
 * `test/unit/seed/source/conformance.ts` runs on the implementations that read files.
 */
export interface ImageSource {
  /** For people: "oci:/srv/app:1.0". */
  readonly name: string;
  /** The manifest or index that the source's name means. */
  root(signal?: AbortSignal): Promise<RawManifest>;
  /** One below the root, or an artifact that refers to it. */
  manifest(digest: Digest, signal?: AbortSignal): Promise<RawManifest>;
  /** All bytes of a blob, from the beginning at each call. */
  blob(blob: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** What refers to a manifest of the image, where the source keeps such things. */
  readonly attachments?: Attachments;
  close(): Promise<void>;
}

/** Signatures, attestations and the like, which refer to a manifest from outside of it. */
export interface Attachments {
  /** Digests of manifests whose `subject` is this one. */
  referrers(subject: Digest, signal?: AbortSignal): Promise<Digest[]>;
  /** Tags that are named after the digest (`sha256-<hex>`, with `.sig`, `.att` or `.sbom`), with what they mean. */
  tags(subject: Digest, signal?: AbortSignal): Promise<{ readonly tag: string; readonly digest: Digest }[]>;
}
