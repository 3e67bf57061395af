import { createCipheriv } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cleanup, CleanupStack } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { pushImage } from '../support/registry-content.ts';
import { tempDir } from '../support/temp-dir.ts';
import { IMAGES } from './plan.ts';

/** An image of the origin, and what is right of it. */
export interface KnownImage {
  readonly repository: string;
  readonly digest: string;
  readonly blobs: readonly { readonly digest: string; readonly size: number }[];
}

export interface OriginImages {
  /** Of a docker-registry. */
  readonly folder: string;
  readonly images: readonly KnownImage[];
  /** The file that holds the right bytes of a blob. */
  blobFile(digest: string): string;
}

export const TAG = 'v1';

/** Pushes those of `IMAGES` that are asked for: the same bytes each time. */
export async function makeOriginImages(cleanup: Cleanup, wanted: readonly number[] = [...IMAGES.keys()]): Promise<OriginImages> {
  const folder = tempDir(cleanup, 'chaos-origin');
  const pushing = new CleanupStack();
  try {
    const registry = await startDockerRegistry(pushing, { folder });
    const images: KnownImage[] = [];
    for (const [i, sizes] of IMAGES.entries()) {
      const repository = `chaos/image${i}`;
      if (!wanted.includes(i)) {
        images.push({ repository, digest: '', blobs: [] });
        continue;
      }
      const { digest, config, layers } = await pushImage(
        registry,
        repository,
        TAG,
        sizes.map((size, layer) => bytesOf(size, i * 16 + layer)),
      );
      images.push({
        repository,
        digest: digest.toString(),
        blobs: [config, ...layers].map(({ digest, bytes }) => ({ digest: digest.toString(), size: bytes.length })),
      });
    }
    const blobs = join(folder, 'data/docker/registry/v2/blobs/sha256');
    return { folder, images, blobFile: (digest) => join(blobs, digest.slice(7, 9), digest.slice(7), 'data') };
  } finally {
    await pushing.undo();
    await rm(join(folder, 'config.yml'), { force: true });
  }
}

/** Bytes that nothing can compress, the same for the same number. */
function bytesOf(size: number, number: number): Buffer {
  return createCipheriv('aes-256-ctr', Buffer.alloc(32, number), Buffer.alloc(16)).update(Buffer.alloc(size));
}
