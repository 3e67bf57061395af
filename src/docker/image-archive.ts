import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageManifest, RawManifest } from '../oci/manifest.ts';
import { MediaType } from '../oci/media-type.ts';

export interface ArchivedImage {
  /** As the engine is to call it, `registry/repository:tag`; none for an image that is known by digest alone. */
  readonly name: string | undefined;
  readonly raw: RawManifest;
  readonly manifest: ImageManifest;
  /** The bytes of a config or layer, in order and as many as its descriptor says. */
  readonly read: (blob: Descriptor) => AsyncIterable<Uint8Array>;
}

/**
 * An image as `docker load` takes it, while it is read: an OCI layout with the `manifest.json` of older engines, which know nothing
 * else. Layers go through compressed, as they are; the engine unpacks them and compares them with the config.
 */
export function imageArchive(image: ArchivedImage): Readable {
  const archive = pack();
  fill(archive, image).catch((error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))));
  return Readable.from(archive, { objectMode: false });
}

async function fill(archive: Pack, { name, raw, manifest, read }: ArchivedImage): Promise<void> {
  const { config, layers } = manifest;
  const path = (digest: Digest): string => `blobs/${digest.algorithm}/${digest.hex}`;
  const descriptor = {
    mediaType: raw.mediaType,
    digest: raw.digest.toString(),
    size: raw.bytes.length,
    ...(name === undefined
      ? {}
      : { annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1) } }),
  };
  await addFile(archive, 'oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await addFile(archive, 'index.json', JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [descriptor] }));
  await addFile(
    archive,
    'manifest.json',
    JSON.stringify([
      { Config: path(config.digest), RepoTags: name === undefined ? [] : [name], Layers: layers.map(({ digest }) => path(digest)) },
    ]),
  );
  await addFile(archive, path(raw.digest), raw.bytes);
  const blobs = new Map([config, ...layers].map((blob) => [blob.digest.toString(), blob]));
  for (const blob of blobs.values()) await addBlob(archive, path(blob.digest), blob.size, read(blob));
  archive.finalize();
}

async function addFile(archive: Pack, name: string, content: string | Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  archive.entry({ name, mode: 0o644, mtime: new Date(0) }, content, (error) => {
    if (error === null || error === undefined) resolve();
    else reject(error);
  });
  await promise;
}

async function addBlob(archive: Pack, name: string, size: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  await pipeline(bytes, archive.entry({ name, mode: 0o644, mtime: new Date(0), size }));
}
