/** `layerswarm/oci`: digests, references, platforms and manifests, parsed and checked. */
export { LayerswarmError, type ErrorCode } from '../errors.ts';
export type { Descriptor, Platform } from '../oci/descriptor.ts';
export { Digest, type DigestAlgorithm } from '../oci/digest.ts';
export { linkedDescriptors, manifestDescriptor, MAX_MANIFEST_BYTES, parseManifest, rawManifest, readManifest } from '../oci/manifest.ts';
export type { AnyManifest, ImageIndex, ImageManifest, LinkedDescriptors, Manifest, OpaqueManifest, RawManifest } from '../oci/manifest.ts';
export { MediaType } from '../oci/media-type.ts';
export { choosePlatform, formatPlatform, hostPlatform, normalizePlatform, parsePlatform } from '../oci/platform.ts';
export { Reference } from '../oci/reference.ts';
