import { collectImage } from '../copy/collect-image.ts';
import type { ImageSource } from '../copy/image-source.ts';
import { LayerswarmError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { linkedDescriptors, parseManifest } from '../oci/manifest.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { ImageStore } from '../store/images/image-store.ts';
import { ImportedImage } from './import-image.ts';

/** An image of the store, when all of it is there. */
export async function storedImage(images: ImageStore, blobs: BlobStore, manifest: Digest): Promise<ImageSource | undefined> {
  const raw = await images.anyManifest(manifest);
  if (raw === undefined) return undefined;
  const { blobs: needed, children } = linkedDescriptors(parseManifest(raw.bytes, raw.mediaType));
  if (children.length > 0 || needed.some(({ digest }) => blobs.size(digest) === undefined)) return undefined;
  const image = await collectImage({ manifest: () => Promise.resolve(raw) }, raw);
  return new ImportedImage(image, blobs, missingSource);
}

/** Nothing is behind what was found whole in the store. */
const missingSource: ImageSource = {
  name: 'the store',
  root: () => Promise.reject(new LayerswarmError('not-found', 'the image left the store while it was seeded: seed it again')),
  manifest: () => Promise.reject(new LayerswarmError('not-found', 'the image left the store while it was seeded: seed it again')),
  blob: () => {
    throw new LayerswarmError('not-found', 'the image left the store while it was seeded: seed it again');
  },
  close: () => Promise.resolve(),
};
