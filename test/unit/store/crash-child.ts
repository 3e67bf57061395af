import { parseArgs } from 'node:util';
import { Grade } from '../../../src/store/blob-store.ts';
import { openStore, type Store } from '../../../src/store/store.ts';
import { chunks, fill, sample } from './conformance.ts';
import { image } from './sample-image.ts';

/**
 * Works on a store until it is killed: `crash-child.ts FOLDER JOB`. Prints `did N` after each step that is to survive; what it
 * works on follows from N, so that the test knows it.
 */

export const PARTIAL_SIZE = 4_000_000;
export const PARTIAL_PIECE = 64 * 1024;
export const REPOSITORY = 'registry.example/crash';

export function blobSize(step: number): number {
  return 1 + ((step * 7919) % 300_000);
}

const jobs: Record<string, (store: Store, step: number) => Promise<void>> = {
  /** Wrong bytes only ever get the grade `received`; `origin` is for right ones. */
  async partial(store, step) {
    const { bytes, digest } = sample(PARTIAL_SIZE);
    const wrong = Buffer.alloc(PARTIAL_PIECE, 'wrong');
    const partial = await store.blobs.openPartial(digest, PARTIAL_SIZE, PARTIAL_PIECE);
    for (let count = 0; count < 20; count++) {
      const piece = Math.floor(Math.random() * (partial.pieceCount - 1));
      if (partial.grade(piece) === Grade.missing && count % 2 === 0) {
        await partial.write(piece * PARTIAL_PIECE, wrong);
        partial.complete(piece, Grade.received);
      } else {
        await partial.discard([piece]);
        await fill(partial, bytes, piece, Grade.origin);
      }
      void partial.advance();
    }
    // sometimes left for the next open, sometimes closed in the middle of a sync
    if (step % 3 === 0) await partial.close();
    else {
      await partial.discard([0]);
      await partial.close();
    }
  },
  async write(store, step) {
    const { bytes, digest } = sample(blobSize(step));
    await store.blobs.write(chunks(bytes, 8192), { expected: digest, origin: step % 2 === 0 });
  },
  async commit(store, step) {
    const { bytes, digest } = sample(blobSize(step));
    const partial = await store.blobs.openPartial(digest, bytes.length, PARTIAL_PIECE);
    for (let piece = 0; piece < partial.pieceCount; piece++) await fill(partial, bytes, piece);
    await partial.advance();
    await partial.commit();
  },
  async tags(store, step) {
    const { raw } = image(`step ${step}`);
    await store.images.putManifest(REPOSITORY, raw);
    store.images.setTag(REPOSITORY, 'moving', raw.digest, step);
    store.images.setTag(REPOSITORY, `v${step}`, raw.digest, step);
    await store.images.flush();
  },
};

async function main(): Promise<void> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [folder, job] = positionals as [string, string];
  const store = await openStore(folder, { syncBytes: 256 * 1024, syncIntervalMs: 5, indexDelayMs: 1 });
  for (let step = 1; ; step++) {
    await jobs[job]!(store, step);
    process.stdout.write(`did ${step}\n`);
  }
}

if (import.meta.main) await main();
