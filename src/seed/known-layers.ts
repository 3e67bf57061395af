import type { ImageSource } from '../copy/image-source.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type RawManifest } from '../oci/manifest.ts';
import { layerCompression, MediaType } from '../oci/media-type.ts';
import { isPlainLayer, layersOf, MAX_CONFIG_BYTES } from './image-layers.ts';
import type { KnownLayer } from './known-images.ts';
import { buildManifest, onlyManifest } from './source/built-image.ts';

export interface LayerLookup {
  /** The blob that the origin, or this node, has of the content with this diff id. */
  readonly knownLayer: (diffId: Digest) => Promise<KnownLayer | undefined>;
  readonly readLayer: (layer: KnownLayer, signal?: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/**
 * An image of an engine with those layers in place that the origin has already: what the engine compresses anew has other digests
 * there, and would be sent and kept a second time. Its configuration stays, and so the image id.
 */
export async function withKnownLayers(source: ImageSource, { knownLayer, readLayer, signal }: LayerLookup): Promise<ImageSource> {
  const root = await source.root(signal);
  const manifest = parseManifest(root.bytes, root.mediaType);
  if (manifest.kind !== 'image' || manifest.config.size > MAX_CONFIG_BYTES || !manifest.layers.every(isPlainLayer)) return source;
  const config = await readWhole(source.blob(manifest.config, signal));
  const replaced = new Map<string, KnownLayer>();
  const layers: Descriptor[] = [];
  for (const { diffId, layer } of layersOf(manifest, config)) {
    const known = await knownLayer(diffId);
    if (known !== undefined && !known.descriptor.digest.equals(layer.digest)) replaced.set(known.descriptor.digest.toString(), known);
    layers.push(asOci(known?.descriptor ?? layer));
  }
  return replaced.size === 0 ? source : imageOf(source, buildManifest(config, layers), replaced, readLayer);
}

function imageOf(
  source: ImageSource,
  root: RawManifest,
  replaced: ReadonlyMap<string, KnownLayer>,
  readLayer: LayerLookup['readLayer'],
): ImageSource {
  return {
    name: source.name,
    root: () => Promise.resolve(root),
    manifest: async (digest) => onlyManifest(root, digest),
    blob(blob, signal) {
      const known = replaced.get(blob.digest.toString());
      return known === undefined ? source.blob(blob, signal) : readLayer(known, signal);
    },
    close: () => source.close(),
  };
}

function asOci({ digest, size, mediaType }: Descriptor): Descriptor {
  return { mediaType: layerCompression(mediaType) === 'gzip' ? MediaType.ociLayerGzip : MediaType.ociLayer, digest, size };
}

async function readWhole(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}
