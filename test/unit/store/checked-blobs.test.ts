import test, { type ExecutionContext } from 'ava';
import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../../src/oci/digest.ts';
import { openStore, type Store, type StoreOptions } from '../../../src/store/store.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { chunks, readAll, sample } from './sample-blob.ts';

const DAY = 24 * 3_600_000;
const { bytes, digest } = sample(3_000_000);

interface Fixture {
  readonly folder: string;
  readonly store: Store;
  readonly damaged: Digest[];
}

async function fixture(t: ExecutionContext, options: StoreOptions = {}): Promise<Fixture> {
  const folder = tempDir(t);
  const damaged: Digest[] = [];
  const store = await openStore(folder, {
    onDamaged: (blob) => {
      damaged.push(blob.digest);
    },
    ...options,
  });
  t.teardown(() => store.close());
  await store.blobs.write(chunks(bytes), { expected: digest });
  return { folder, store, damaged };
}

const pathOf = (folder: string, of = digest): string => join(folder, 'blobs', 'sha256', of.hex);

test('of a blob that the disk changed only what comes before the change is given, and it is put aside', async (t) => {
  const { folder, store, damaged } = await fixture(t);
  const reader = await store.blobs.open(digest);
  flipBit(pathOf(folder), 2_000_000);
  const got: Buffer[] = [];
  const error = await t.throwsAsync(async () => {
    for await (const chunk of reader.stream()) got.push(chunk);
  });
  await reader.close();
  t.is((error as { code?: string }).code, 'digest-mismatch');
  const before = Buffer.concat(got);
  t.true(before.length > 1_000_000 && before.length <= 2_000_000);
  t.true(before.equals(bytes.subarray(0, before.length)));
  t.is(store.blobs.size(digest), undefined);
  t.deepEqual(damaged, [digest]);
});

test('a blob whose file ends too early is put aside, also where it was found right not long ago', async (t) => {
  const { folder, store, damaged } = await fixture(t);
  const reader = await store.blobs.open(digest);
  t.true((await reader.read(2_500_000, 100)).equals(bytes.subarray(2_500_000, 2_500_100)));
  truncateSync(pathOf(folder), 1_000_000);
  await t.throwsAsync(reader.read(2_500_000, 100), { code: 'digest-mismatch' });
  await reader.close();
  t.is(store.blobs.size(digest), undefined);
  t.deepEqual(damaged, [digest]);
});

for (const [name, read] of [
  [
    'a part',
    async (store: Store) => {
      await readPart(store, async (reader) => {
        await reader.read(2_500_000, 100);
      });
    },
  ],
  [
    'memory of the caller',
    async (store: Store) => {
      await readPart(store, async (reader) => {
        await reader.readInto(Buffer.alloc(100), 2_500_000);
      });
    },
  ],
  [
    'a look at it',
    async (store: Store) => {
      await readPart(store, async (reader) => {
        await reader.check(2_500_000);
      });
    },
  ],
] as const) {
  test(`a changed bit before what is read is found: ${name}`, async (t) => {
    const { folder, store } = await fixture(t);
    flipBit(pathOf(folder), 10);
    await t.throwsAsync(read(store), { code: 'digest-mismatch' });
    t.is(store.blobs.size(digest), undefined);
  });
}

async function readPart(store: Store, read: (reader: Awaited<ReturnType<Store['blobs']['open']>>) => Promise<void>): Promise<void> {
  const reader = await store.blobs.open(digest);
  try {
    await read(reader);
  } finally {
    await reader.close();
  }
}

test('a file that was found right is not compared again before its time, nor after a restart', async (t) => {
  let now = Date.now();
  const folder = tempDir(t);
  const options = { checkedForMs: DAY, now: () => now };
  const first = await openStore(folder, options);
  await first.blobs.write(chunks(bytes), { expected: digest });
  await first.close();
  flipBit(pathOf(folder), 5, { silently: true });
  const store = await openStore(folder, options);
  t.teardown(() => store.close());
  t.is((await readAll(store.blobs, digest))[5], bytes[5]! ^ 1);
  now += DAY + 1;
  await t.throwsAsync(readAll(store.blobs, digest), { code: 'digest-mismatch' });
});

test('what somebody doubts is compared again at once, also where it is open', async (t) => {
  const { folder, store } = await fixture(t);
  const reader = await store.blobs.open(digest);
  t.is((await reader.read(0, 1)).length, 1);
  flipBit(pathOf(folder), 5, { silently: true });
  t.is((await reader.read(5, 1))[0], bytes[5]! ^ 1);
  store.blobs.doubt(digest);
  reader.doubt();
  await t.throwsAsync(reader.read(5, 1), { code: 'digest-mismatch' });
  await reader.close();
});

test('a blob whose prefix digests are not known is compared whole, and known from then on', async (t) => {
  const folder = tempDir(t);
  const before = await openStore(folder);
  await before.blobs.write(chunks(bytes), { expected: digest });
  await before.close();
  rmSync(join(folder, 'metadata.db'));
  const store = await openStore(folder);
  t.teardown(() => store.close());
  t.is(await store.blobs.checkpoints(digest), undefined);
  await readPart(store, async (reader) => {
    await reader.read(0, 1);
  });
  t.is((await store.blobs.checkpoints(digest))!.digests.length, Math.ceil(bytes.length / 65_536));
});

test('many who read a file that is not compared yet compare it together, each gets its bytes', async (t) => {
  const { store } = await fixture(t, { checkedForMs: 0 });
  const all = await Promise.all(Array.from({ length: 8 }, () => readAll(store.blobs, digest)));
  for (const got of all) t.true(got.equals(bytes));
});
