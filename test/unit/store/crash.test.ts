import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { Grade } from '../../../src/store/blob-store.ts';
import { openStore, type Store } from '../../../src/store/store.ts';
import { startProgram } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { sample } from './conformance.ts';
import { blobSize, PARTIAL_PIECE, PARTIAL_SIZE, REPOSITORY } from './crash-child.ts';
import { image } from './sample-image.ts';

const CHILD = fileURLToPath(new URL('crash-child.ts', import.meta.url));
const ROUNDS = 4;

/** Lets the child work, kills it somewhere in a step, and checks the store that it leaves; several times on one folder. */
async function crash(t: ExecutionContext, job: string, check: (store: Store, steps: number) => Promise<void>): Promise<void> {
  const folder = tempDir(t);
  for (let round = 1; round <= ROUNDS; round++) {
    const child = startProgram(t, process.execPath, [CHILD, folder, job]);
    await child.waitForOutput(new RegExp(`^did ${1 + Math.floor(Math.random() * 12)}$`, 'm'));
    // some time within the next step
    for (let turns = Math.random() * 200; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    child.kill('SIGKILL');
    const { stdout } = await child.finished;
    const steps = Number(/did (\d+)\n$/.exec(stdout)![1]);

    t.notThrows(() => JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')), 'the exported index is whole');
    const store = await openStore(folder);
    try {
      t.deepEqual(readdirSync(join(folder, 'tmp')), [], 'no temporary file is left');
      for await (const { digest, state } of store.verify()) t.is(state, 'ok', digest.toString());
      await check(store, steps);
    } finally {
      await store.close();
    }
  }
}

test('after a kill amid writes of a partial blob no piece is believed that is wrong', async (t) => {
  const { bytes, digest } = sample(PARTIAL_SIZE);
  let kept = 0;
  await crash(t, 'partial', async (store) => {
    const partial = await store.blobs.openPartial(digest, PARTIAL_SIZE, PARTIAL_PIECE);
    for (let piece = 0; piece < partial.pieceCount; piece++) {
      const start = piece * PARTIAL_PIECE;
      const grade = partial.grade(piece);
      if (grade === Grade.origin) {
        kept++;
        t.true((await partial.read(start, PARTIAL_PIECE)).equals(bytes.subarray(start, start + PARTIAL_PIECE)), `piece ${piece}`);
      } else if (grade !== Grade.missing) {
        t.is(
          (await partial.read(start, PARTIAL_PIECE)).toString('latin1'),
          'wrong'.repeat(PARTIAL_PIECE).slice(0, PARTIAL_PIECE),
          `piece ${piece}`,
        );
      }
    }
    await partial.advance();
    t.not(partial.verdict, false);
    await partial.close();
  });
  t.true(kept > 0, 'pieces were kept');
});

for (const job of ['write', 'commit']) {
  test(`after a kill amid a ${job} every blob that was reported is there`, async (t) => {
    await crash(t, job, async (store, steps) => {
      for (let step = 1; step <= steps; step++) t.is(store.blobs.size(sample(blobSize(step)).digest), blobSize(step), `step ${step}`);
      t.true(
        store.repairs.every((line) => line.startsWith('took in') || line.startsWith('the file of')),
        store.repairs.join('; '),
      );
    });
  });
}

test('after a kill amid changes of tags the last ones that were reported are there', async (t) => {
  await crash(t, 'tags', async (store, steps) => {
    const moving = store.images.tag(REPOSITORY, 'moving')!;
    t.true(moving.checkedAt === steps || moving.checkedAt === steps + 1);
    const { raw } = image(`step ${moving.checkedAt}`);
    t.deepEqual(moving.digest, raw.digest);
    t.deepEqual(await store.images.manifest(REPOSITORY, raw.digest), raw);
    for (let step = 1; step <= steps; step++)
      t.deepEqual(store.images.tag(REPOSITORY, `v${step}`)?.digest, image(`step ${step}`).raw.digest);
  });
});
