import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { openStore, type Store } from '../../../../src/store/store.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { chunks, fill, sample } from '../conformance.ts';
import { open } from '../sample-store.ts';

const { bytes, digest } = sample(300_000);

async function halfOf(store: Store): ReturnType<Store['blobs']['openPartial']> {
  const partial = await store.blobs.openPartial(digest, bytes.length, 100_000);
  await fill(partial, bytes.subarray(0, 100_000), 0);
  return partial;
}

test('of a blob that comes whole another way nothing unfinished is left', async (t) => {
  const folder = tempDir(t);
  const store = await open(t, folder);
  await (await halfOf(store)).close();
  t.is(readdirSync(join(folder, 'partial')).length, 2);
  await store.blobs.write(chunks(bytes));
  t.deepEqual([...store.blobs.partials()], []);
  t.deepEqual(readdirSync(join(folder, 'partial')), []);
});

test('whoever had it open meanwhile leaves nothing either', async (t) => {
  const folder = tempDir(t);
  const store = await open(t, folder);
  const partial = await halfOf(store);
  await store.blobs.write(chunks(bytes));
  t.is(partial.haveBytes(), 100_000);
  await partial.close();
  t.deepEqual([...store.blobs.partials()], []);
  t.deepEqual(readdirSync(join(folder, 'partial')), []);
});

test('what a crash left of it goes when the store opens', async (t) => {
  const folder = tempDir(t);
  const store = await openStore(folder);
  await (await halfOf(store)).close();
  const kept = tempDir(t);
  cpSync(join(folder, 'partial'), kept, { recursive: true });
  await store.blobs.write(chunks(bytes));
  await store.close();
  cpSync(kept, join(folder, 'partial'), { recursive: true });
  const again = await open(t, folder);
  t.deepEqual([...again.blobs.partials()], []);
  t.deepEqual(readdirSync(join(folder, 'partial')), []);
  t.is(again.blobs.size(digest), bytes.length);
});
