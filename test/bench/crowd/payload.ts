import { createHash, randomFillSync } from 'node:crypto';
import { Digest } from '../../../src/oci/digest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { type Cleanup, CleanupStack } from '../../support/cleanup.ts';
import { startDockerRegistry } from '../../support/docker-registry.ts';
import { pushBlob, pushManifest } from '../../support/registry-content.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SMALLEST_LAYER = 10_000;
const LARGEST_LAYER = 60_000_000;
const CHUNK = 16 << 20;

/** Sizes in bytes, from 10 KB to 60 MB, 110 MB together. */
export const TWELVE_LAYERS: readonly number[] = Array.from({ length: 12 }, (_, i) =>
  Math.round(SMALLEST_LAYER * (LARGEST_LAYER / SMALLEST_LAYER) ** (i / 11)),
);

/** Sizes of `count` layers that nodes pull before they are measured. */
export function earlierLayers(count: number): readonly number[] {
  return Array.from({ length: count }, () => 64 << 20);
}

/** An image that lies ready in the folder of a docker-registry. */
export interface Payload {
  readonly folder: string;
  readonly repository: string;
  readonly manifest: string;
  readonly blobs: readonly Blob[];
  /** Of all blobs. */
  readonly bytes: number;
  /** In the same registry and repository, part of no image: for nodes to have pulled before. */
  readonly earlier: readonly Blob[];
}

interface Blob {
  readonly digest: Digest;
  readonly size: number;
}

/** An image with a layer of random bytes of each size, and blobs beside it of the sizes `earlier`. */
export async function makePayload(cleanup: Cleanup, sizes: readonly number[], earlier: readonly number[] = []): Promise<Payload> {
  const folder = tempDir(cleanup, 'payload');
  const repository = 'bench/crowd';
  const making = new CleanupStack();
  try {
    const registry = await startDockerRegistry(making, { folder });
    const pushAll = async (all: readonly number[]): Promise<Blob[]> => {
      const pushed: Blob[] = [];
      for (const size of all) pushed.push({ digest: await pushRandomBlob(registry.url, repository, size), size });
      return pushed;
    };
    const layers = await pushAll(sizes);
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest.toString()) },
      }),
    );
    const configBlob: Blob = { digest: await pushBlob(registry, repository, config), size: config.length };
    const describe = (mediaType: string, { digest, size }: Blob): object => ({ mediaType, digest: digest.toString(), size });
    await pushManifest(
      registry,
      repository,
      'v1',
      {
        schemaVersion: 2,
        mediaType: MediaType.ociManifest,
        config: describe(MediaType.ociConfig, configBlob),
        layers: layers.map((layer) => describe(MediaType.ociLayer, layer)),
      },
      MediaType.ociManifest,
    );
    const blobs = [configBlob, ...layers];
    const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
    return { folder, repository, manifest: 'v1', blobs, bytes, earlier: await pushAll(earlier) };
  } finally {
    await making.undo();
  }
}

/** In chunks, since a blob may be larger than memory should hold. */
async function pushRandomBlob(url: string, repository: string, size: number): Promise<Digest> {
  const hash = createHash('sha256');
  const started = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  let location = new URL(started.headers.get('location') ?? '', url);
  for (let at = 0; at < size; at += CHUNK) {
    const chunk = randomFillSync(new Uint8Array(Math.min(CHUNK, size - at)));
    hash.update(chunk);
    const answer = await fetch(location, { method: 'PATCH', body: chunk, headers: { 'content-type': 'application/octet-stream' } });
    if (!answer.ok) throw new Error(`PATCH of ${repository}: ${answer.status}`);
    location = new URL(answer.headers.get('location') ?? '', url);
  }
  const digest = Digest.fromHash(hash);
  location.searchParams.set('digest', digest.toString());
  const ended = await fetch(location, { method: 'PUT' });
  if (!ended.ok) throw new Error(`PUT of ${repository}: ${ended.status}`);
  return digest;
}
