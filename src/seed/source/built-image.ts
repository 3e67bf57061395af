import { createHash } from 'node:crypto';
import { LayerswarmError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { Digest } from '../../oci/digest.ts';
import { type RawManifest, rawManifest } from '../../oci/manifest.ts';
import { MediaType } from '../../oci/media-type.ts';

/** An OCI manifest over a config and layers: always the same bytes for the same parts, so that an image keeps its digest. */
export function buildManifest(config: Buffer, layers: readonly Descriptor[]): RawManifest {
  const plain = ({ mediaType, digest, size }: Descriptor): object => ({ mediaType, digest: digest.toString(), size });
  return rawManifest(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MediaType.ociManifest,
        config: plain({ mediaType: MediaType.ociConfig, digest: Digest.of(config), size: config.length }),
        layers: layers.map(plain),
      }),
    ),
  ).raw;
}

/** Digest and length of what a stream gives. */
export async function measure(bytes: AsyncIterable<Uint8Array>): Promise<{ digest: Digest; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { digest: Digest.fromHash(hash), size };
}

/** For sources that consist of one manifest. @throws `not-found` */
export function onlyManifest(root: RawManifest, digest: Digest): RawManifest {
  if (root.digest.equals(digest)) return root;
  throw new LayerswarmError('not-found', `the image has no manifest ${digest.toString()}`);
}

export async function* once(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield bytes;
}
