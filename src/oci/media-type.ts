/** Media types of the OCI image specification (media-types.md) and of Docker's image manifest version 2, schema 2. */
export const MediaType = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
} as const;

const IMAGE_TYPES: ReadonlySet<string> = new Set([MediaType.ociManifest, MediaType.dockerManifest]);
const INDEX_TYPES: ReadonlySet<string> = new Set([MediaType.ociIndex, MediaType.dockerManifestList]);

/**
 * The Accept header of every manifest request. Without the whole list distribution 2.8 answers a converted schema 1 manifest, or
 * one child of an index, under a digest that nobody asked for.
 */
export const MANIFEST_ACCEPT: string = [...INDEX_TYPES, ...IMAGE_TYPES].join(', ');

function isImageMediaType(mediaType: string): boolean {
  return IMAGE_TYPES.has(mediaType);
}

function isIndexMediaType(mediaType: string): boolean {
  return INDEX_TYPES.has(mediaType);
}

export function isManifestMediaType(mediaType: string): boolean {
  return isImageMediaType(mediaType) || isIndexMediaType(mediaType);
}

/** Layers that a licence keeps out of registries (image-spec, layer.md, "Non-Distributable Layers"). */
export function isForeignLayerMediaType(mediaType: string): boolean {
  return mediaType === MediaType.dockerForeignLayer || mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.v1.tar');
}

/** How the tar of a layer is compressed; undefined for what is no layer of a root file system. */
export function layerCompression(mediaType: string): 'none' | 'gzip' | 'zstd' | undefined {
  const match =
    /^application\/vnd\.oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(\+gzip|\+zstd)?$/.exec(mediaType) ??
    /^application\/vnd\.docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(\.gzip|\.zstd)?$/.exec(mediaType);
  if (match === null) return undefined;
  const suffix = match[1]?.slice(1);
  return suffix === 'gzip' || suffix === 'zstd' ? suffix : 'none';
}

/** type/subtype of a Content-Type header, lower case and without parameters; undefined when there is none. */
export function mediaTypeEssence(header: string | undefined): string | undefined {
  const essence = header?.split(';', 1)[0]?.trim().toLowerCase();
  return essence === '' ? undefined : essence;
}

/** RFC 6838 §4.2: restricted names of at most 127 characters. */
export function isMediaType(text: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}\/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}$/.test(text);
}
