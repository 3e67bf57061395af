import type { Descriptor } from './descriptor.ts';
import type { Digest } from './digest.ts';
import { type Manifest, manifestDescriptor, parseManifest, type RawManifest } from './manifest.ts';
import { MediaType } from './media-type.ts';

/**
 * The answer to the referrers API: an OCI index of `manifests`, whose `subject` the caller has matched already, each digest once
 * and in the order of digests, so that the same set gives the same bytes.
 * @param artifactType leaves only referrers of this type; the answer then carries `OCI-Filters-Applied: artifactType`
 * @throws LayerswarmError `manifest-invalid`
 */
export function referrersIndex(manifests: Iterable<RawManifest>, artifactType?: string): Buffer {
  const descriptors = new Map<string, Descriptor>();
  for (const raw of manifests) {
    const descriptor = referrerDescriptor(raw, parseManifest(raw.bytes, raw.mediaType));
    if (artifactType === undefined || descriptor.artifactType === artifactType) descriptors.set(raw.digest.toString(), descriptor);
  }
  const sorted = [...descriptors.keys()].sort().map((digest) => descriptors.get(digest));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: sorted }));
}

/** distribution-spec 1.1, "Listing Referrers": an image without artifactType has its config's type, an index has none. */
export function referrerDescriptor(raw: RawManifest, manifest: Manifest): Descriptor {
  const artifactType = manifest.artifactType ?? (manifest.kind === 'image' ? manifest.config.mediaType : undefined);
  return {
    ...manifestDescriptor(raw),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
  };
}

/** The tag under which referrers are kept where the API is missing: distribution-spec 1.1, "Referrers Tag Schema". */
export function referrersTag(subject: Digest): string {
  return `${subject.algorithm.slice(0, 32)}-${subject.hex.slice(0, 64)}`;
}
