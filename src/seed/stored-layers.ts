import type { Digest } from '../oci/digest.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { ImageStore } from '../store/images/image-store.ts';
import { isPlainLayer, layersOf, MAX_CONFIG_BYTES } from './image-layers.ts';
import type { KnownLayer } from './known-images.ts';

/** Tagged images that are looked at. */
const MAX_IMAGES = 2000;

type Images = Pick<ImageStore, 'repositories' | 'tags' | 'tag' | 'manifest'>;
type Blobs = Pick<BlobStore, 'size' | 'open'>;

/** Layers of the origin's images that this node has pulled or seeded, by their diff ids. */
export async function storedLayers(images: Images, blobs: Blobs, registryName: string): Promise<Map<string, KnownLayer>> {
  const found = new Map<string, KnownLayer>();
  const prefix = `${registryName}/`;
  const roots = images
    .repositories()
    .filter((full) => full.startsWith(prefix))
    .flatMap((full) =>
      images
        .tags(full)
        .flatMap((tag) => images.tag(full, tag)?.digest ?? [])
        .map((digest) => ({ full, digest })),
    );
  for (const { full, digest } of roots.slice(0, MAX_IMAGES)) {
    for (const manifest of await imagesOf(images, full, digest)) {
      if (manifest.kind !== 'image') continue;
      const config = await readConfig(blobs, manifest.config.digest);
      if (config === undefined) continue;
      for (const { diffId, layer } of layersOf(manifest, config)) {
        if (isPlainLayer(layer) && !found.has(diffId.toString()))
          found.set(diffId.toString(), { descriptor: layer, repository: full.slice(prefix.length) });
      }
    }
  }
  return found;
}

/** Itself, or of an index what is here. */
async function imagesOf(images: Images, full: string, digest: Digest): Promise<Manifest[]> {
  const raw = await images.manifest(full, digest);
  if (raw === undefined) return [];
  const manifest = parseManifest(raw.bytes, raw.mediaType);
  if (manifest.kind === 'image') return [manifest];
  const children = await Promise.all(manifest.manifests.map(({ digest }) => images.manifest(full, digest)));
  return children.flatMap((child) => (child === undefined ? [] : [parseManifest(child.bytes, child.mediaType)]));
}

/** Undefined when it is not here. */
export async function readConfig(blobs: Blobs, digest: Digest): Promise<Buffer | undefined> {
  const size = blobs.size(digest);
  if (size === undefined || size > MAX_CONFIG_BYTES) return undefined;
  const reader = await blobs.open(digest);
  try {
    return await reader.read(0, size);
  } finally {
    await reader.close();
  }
}
