import { join } from 'node:path';
import type { Digest } from '../../../src/oci/digest.ts';
import { openStore, type Store, type StoreOptions } from '../../../src/store/store.ts';
import type { Cleanup } from '../../support/cleanup.ts';
import { chunks } from './conformance.ts';
import { image, type SampleImage } from './sample-image.ts';

export const REPOSITORY = 'registry.example:5000/team/app';

/** Closed with the test. */
export async function open(cleanup: Cleanup, folder: string, options: StoreOptions = {}): Promise<Store> {
  const store = await openStore(folder, options);
  cleanup.teardown(() => store.close());
  return store;
}

/** Where the store that is in a folder keeps a blob. */
export function blobPath(folder: string, digest: Digest): string {
  return join(folder, 'blobs', digest.algorithm, digest.hex);
}

/** Writes an image as it is seeded: its blobs, its manifest, and a tag. */
export async function putImage(
  store: Store,
  repository: string,
  tag: string,
  seed: string,
  options: { layerLength?: number; origin?: boolean } = {},
): Promise<SampleImage> {
  const sample = image(seed, options);
  for (const blob of [...sample.blobs, sample.raw.bytes]) await store.blobs.write(chunks(blob), { origin: options.origin === true });
  await store.images.putManifest(repository, sample.raw);
  store.images.setTag(repository, tag, sample.raw.digest, 1);
  return sample;
}
