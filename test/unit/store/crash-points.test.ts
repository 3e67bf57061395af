import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openStore, type Store } from '../../../src/store/store.ts';
import { DyingDisk } from '../../support/dying-disk.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { fill } from './conformance.ts';
import { chunks, readAll, sample } from './sample-blob.ts';
import { image } from './sample-image.ts';

const REPOSITORY = 'registry.example/crash';
const PIECE = 65_536;
const before = sample(100_000);
const wanted = sample(200_000);

/** What is written, and whether it is there whole once that was reported. */
const JOBS: [string, (store: Store) => Promise<void>, (t: ExecutionContext, store: Store) => Promise<void>][] = [
  [
    'a blob is written',
    async ({ blobs }) => {
      await blobs.write(chunks(wanted.bytes), { expected: wanted.digest });
    },
    async (t, { blobs }) => {
      t.true((await readAll(blobs, wanted.digest)).equals(wanted.bytes));
    },
  ],
  [
    'a blob of an embedded origin is written',
    async ({ blobs }) => {
      await blobs.write(chunks(wanted.bytes), { expected: wanted.digest, origin: true });
    },
    async (t, { blobs }) => {
      t.true((await readAll(blobs, wanted.digest)).equals(wanted.bytes));
    },
  ],
  [
    'an unfinished blob is filled and finished',
    async ({ blobs }) => {
      const partial = await blobs.openPartial(wanted.digest, wanted.bytes.length, PIECE);
      await fill(partial, wanted.bytes, 1);
      await partial.discard([1]);
      for (let piece = 0; piece < partial.pieceCount; piece++) await fill(partial, wanted.bytes, piece);
      await partial.advance();
      await partial.commit();
    },
    async (t, { blobs }) => {
      t.true((await readAll(blobs, wanted.digest)).equals(wanted.bytes));
    },
  ],
  [
    'a manifest and a tag are kept',
    async ({ images }) => {
      const { raw } = image('crash');
      await images.putManifest(REPOSITORY, raw);
      images.setTag(REPOSITORY, 'v1', raw.digest, 1);
      await images.flush();
    },
    async (t, { images }) => {
      t.deepEqual(await images.manifest(REPOSITORY, images.tag(REPOSITORY, 'v1')!.digest), image('crash').raw);
    },
  ],
  [
    'a blob is deleted',
    async ({ blobs }) => {
      await blobs.delete(before.digest);
    },
    (t, { blobs }) => {
      t.is(blobs.size(before.digest), undefined);
      return Promise.resolve();
    },
  ],
];

for (const [name, job, check] of JOBS) {
  test.serial(`between any two steps, while ${name}, a crash leaves a store that opens and verifies`, async (t) => {
    await using disk = await DyingDisk.prepare(join(tempDir(t), 'any'));
    let points = 0;
    for (; ; points++) {
      let isDone: boolean;
      const folder = tempDir(t);
      const store = await openStore(folder, { reserveBytes: 0, indexDelayMs: 1 << 30 });
      const left = tempDir(t);
      try {
        await store.blobs.write(chunks(before.bytes), { expected: before.digest });
        disk.arm(points + 1);
        isDone = await job(store).then(
          () => disk.steps <= points,
          () => false,
        );
        cpSync(folder, left, { recursive: true });
      } finally {
        disk.disarm();
        await store.close();
      }
      const again = await openStore(left, { reserveBytes: 0 });
      try {
        t.deepEqual(readdirSync(join(left, 'tmp')), []);
        for await (const { digest, state } of again.verify()) t.is(state, 'ok', `${digest.toString()} after step ${points}`);
        if (isDone) await check(t, again);
        else if (name !== 'a blob is deleted')
          t.true((await readAll(again.blobs, before.digest)).equals(before.bytes), `after step ${points}`);
        // It can be gone on with.
        await job(again);
        if (name !== 'a blob is deleted') await check(t, again);
      } finally {
        await again.close();
      }
      if (isDone) break;
    }
    t.log(`${points} crash points`);
    t.true(points > 1);
  });
}
