import { z } from 'zod';
import type { Descriptor } from '../oci/descriptor.ts';
import { Digest } from '../oci/digest.ts';
import { isForeign, type ImageManifest } from '../oci/manifest.ts';
import { layerCompression } from '../oci/media-type.ts';

export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
export const MAX_LAYERS = 1000;

/** The part of an image's configuration that says what its layers unpack to (image-spec, config.md, "rootfs"). */
export const imageConfig = z.object({ rootfs: z.object({ diff_ids: z.array(z.string()).max(MAX_LAYERS) }) });

/** An image's layers with their diff ids; none where configuration and manifest do not fit each other. */
export function layersOf({ layers }: ImageManifest, config: Buffer): { readonly diffId: Digest; readonly layer: Descriptor }[] {
  let document: unknown;
  try {
    document = JSON.parse(config.toString('utf8'));
  } catch {
    return [];
  }
  const diffIds = imageConfig.safeParse(document).data?.rootfs.diff_ids.map((text) => Digest.tryParse(text)) ?? [];
  if (diffIds.length !== layers.length) return [];
  return layers.flatMap((layer, index) => (diffIds[index] === undefined ? [] : [{ diffId: diffIds[index], layer }]));
}

/** Whether every runtime can take the layer in place of another one with its content: Docker before 23 knows no zstd. */
export function isPlainLayer(layer: Descriptor): boolean {
  const compression = layerCompression(layer.mediaType);
  return !isForeign(layer) && (compression === 'none' || compression === 'gzip');
}
