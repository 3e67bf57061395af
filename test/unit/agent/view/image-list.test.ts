import test, { type ExecutionContext } from 'ava';
import { ImageList } from '../../../../src/agent/view/image-list.ts';
import { openStore, type Store } from '../../../../src/store/store.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { chunks } from '../../store/sample-blob.ts';
import { image, index } from '../../store/sample-image.ts';

const APP = 'registry.example/team/app';

async function listOf(t: ExecutionContext): Promise<{ store: Store; list: ImageList }> {
  const store = await openStore(tempDir(t));
  t.teardown(() => store.close());
  return { store, list: new ImageList(store.images, store.blobs) };
}

async function keep({ images, blobs }: Store, sample: ReturnType<typeof image>): Promise<number> {
  for (const blob of sample.blobs) await blobs.write(chunks(blob));
  await images.putManifest(APP, sample.raw);
  return sample.blobs.reduce((sum, { length }) => sum + length, 0);
}

test('once it has settled, the list tells what is here of each image', async (t) => {
  const { store, list } = await listOf(t);
  const [whole, partly] = [image('whole'), image('partly')];
  const bytes = await keep(store, whole);
  await store.images.putManifest(APP, partly.raw);
  store.images.setTag(APP, 'a', whole.raw.digest, 1);
  store.images.setTag(APP, 'b', partly.raw.digest, 1);
  await list.settled();
  t.deepEqual(
    list.list().map(({ reference, complete }) => [reference, complete]),
    [
      [`${APP}:a`, true],
      [`${APP}:b`, false],
    ],
  );
  t.is(list.list()[0]!.sizeBytes, bytes);
});

test('of an index the images that are here count, also one that comes later', async (t) => {
  const { store, list } = await listOf(t);
  const [first, second, never] = [image('first'), image('second'), image('never')];
  const all = index([first.raw, second.raw, never.raw]);
  await store.images.putManifest(APP, all);
  store.images.setTag(APP, 'v1', all.digest, 1);
  await list.settled();
  t.like(list.list()[0], { complete: false, sizeBytes: 0 });
  const one = await keep(store, first);
  await list.settled();
  t.like(list.list()[0], { complete: true, sizeBytes: one });
  const two = await keep(store, second);
  await list.settled();
  t.like(list.list()[0], { complete: true, sizeBytes: one + two });
});

test('a tag whose manifest is not here yet is listed as such', async (t) => {
  const { store, list } = await listOf(t);
  const sample = image('later');
  store.images.setTag(APP, 'v1', sample.raw.digest, 1);
  await list.settled();
  t.like(list.list()[0], { complete: false, sizeBytes: 0, digest: sample.raw.digest.toString() });
  await keep(store, sample);
  await list.settled();
  t.true(list.list()[0]!.complete);
});
