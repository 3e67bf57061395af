import type { BlobStore } from '../store/blob-store.ts';
import type { ImageStore } from '../store/images/image-store.ts';
import { readEither } from './import-image.ts';
import type { KnownImages, KnownLayer } from './known-images.ts';
import type { LayerLookup } from './known-layers.ts';
import type { SeedOrigin } from './seed-origin.ts';
import { storedLayers } from './stored-layers.ts';

/** Layers that the origin has already: what was seeded from here comes first, then what this node has of the origin. */
export function layerLookup(
  { known, blobs, images }: { readonly known: KnownImages; readonly blobs: BlobStore; readonly images: ImageStore },
  { registry, target, registryName }: SeedOrigin,
  signal: AbortSignal,
): LayerLookup {
  let stored: Promise<Map<string, KnownLayer>> | undefined;
  const isThere = async ({ descriptor: { digest }, repository }: KnownLayer): Promise<boolean> =>
    blobs.size(digest) !== undefined || (await target.writer.blobExists(repository, digest, signal));
  return {
    async knownLayer(diffId) {
      const seeded = known.layer(diffId);
      if (seeded !== undefined && (await isThere(seeded))) return seeded;
      if (seeded !== undefined) known.forgetLayer(diffId);
      stored ??= storedLayers(images, blobs, registryName);
      const found = (await stored).get(diffId.toString());
      return found !== undefined && (await isThere(found)) ? found : undefined;
    },
    readLayer: ({ descriptor, repository }, signal) =>
      readEither(
        blobs,
        descriptor,
        () => registry.readBlob(repository, descriptor.digest, { start: 0, end: descriptor.size }, signal),
        signal,
      ),
    signal,
  };
}
