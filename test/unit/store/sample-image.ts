import { Digest } from '../../../src/oci/digest.ts';
import type { RawManifest } from '../../../src/oci/manifest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';

export interface SampleImage {
  readonly raw: RawManifest;
  readonly config: Digest;
  readonly layers: readonly Digest[];
  /** Config and layers. */
  readonly blobs: readonly Buffer[];
}

/** An image manifest with a config and two layers, all of them different for each `seed`. */
export function image(seed: string, options: { subject?: RawManifest; layerLength?: number } = {}): SampleImage {
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, seed }));
  const layers = [1, 2].map((number) => Buffer.alloc(options.layerLength ?? 1000, `${seed} ${number} `));
  const document = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: descriptor(MediaType.ociConfig, config),
    layers: layers.map((layer) => descriptor(MediaType.ociLayer, layer)),
    ...(options.subject === undefined ? {} : { subject: descriptor(options.subject.mediaType, options.subject.bytes) }),
  };
  return { raw: raw(document), config: Digest.of(config), layers: layers.map((layer) => Digest.of(layer)), blobs: [config, ...layers] };
}

export function index(children: readonly RawManifest[]): RawManifest {
  return raw({
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: children.map(({ mediaType, bytes }) => descriptor(mediaType, bytes)),
  });
}

function raw(document: { schemaVersion: number; mediaType: string; [field: string]: unknown }): RawManifest {
  const bytes = Buffer.from(JSON.stringify(document));
  return { digest: Digest.of(bytes), mediaType: document.mediaType, bytes };
}

function descriptor(mediaType: string, bytes: Buffer): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: Digest.of(bytes).toString(), size: bytes.length };
}
