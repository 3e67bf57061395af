import type { ExecutionContext, TestFn } from 'ava';
import type { Digest } from '../../../src/oci/digest.ts';
import type { BlobChange } from '../../../src/store/blob-store.ts';
import type { ReadableBlobs } from '../../../src/store/blobs/layered-blob-store.ts';
import { assertCheckpoints, concat, readAll, sample } from './sample-blob.ts';

const KIB = 1024;

/** A store that others fill, and the way to fill it. Told changes are over when `add` and `remove` are. */
export interface Filled {
  readonly blobs: ReadableBlobs;
  readonly add: (bytes: Buffer, digest: Digest) => Promise<void>;
  readonly remove: (digest: Digest) => Promise<void>;
}

/** Runs the contract of the reading half of `BlobStore` on an implementation. Each test gets an empty store from `make`. */
export function readableBlobsConformance(test: TestFn, name: string, make: (t: ExecutionContext) => Promise<Filled>): void {
  const it = (title: string, run: (t: ExecutionContext, filled: Filled) => Promise<void>): void => {
    test(`${name}: ${title}`, async (t) => await run(t, await make(t)));
  };

  it('what is not there has no size, and cannot be opened', async (t, { blobs }) => {
    const { digest } = sample(7);
    t.is(blobs.size(digest), undefined);
    t.deepEqual([...blobs.list()], []);
    t.is(await blobs.checkpoints(digest), undefined);
    await t.throwsAsync(blobs.open(digest), { code: 'not-found' });
  });

  it('what is there is listed, and read whole', async (t, { blobs, add }) => {
    for (const size of [0, 1, 300_000]) {
      const { bytes, digest } = sample(size);
      await add(bytes, digest);
      t.is(blobs.size(digest), size);
      t.true([...blobs.list()].some((blob) => blob.digest.equals(digest) && blob.size === size));
      t.true((await readAll(blobs, digest)).equals(bytes));
    }
  });

  it('readers give any range, and refuse what lies outside', async (t, { blobs: store, add }) => {
    const { bytes, digest } = sample(600 * KIB);
    await add(bytes, digest);
    const reader = await store.open(digest);
    t.true((await reader.read(1000, 5000)).equals(bytes.subarray(1000, 6000)));
    t.true((await reader.read(bytes.length - 10, 100)).equals(bytes.subarray(-10)));
    t.is((await reader.read(bytes.length, 1)).length, 0);
    await t.throwsAsync(reader.read(bytes.length + 1, 1), { code: 'range-invalid' });
    for (const [start, end] of [
      [0, bytes.length],
      [7, 7],
      [300_000, 300_001],
      [1, bytes.length - 1],
    ] as const) {
      for (const reuse of [false, true]) {
        t.true((await concat(reader.stream(start, end, { reuse }))).equals(bytes.subarray(start, end)));
      }
    }
    await t.throwsAsync(concat(reader.stream(0, bytes.length + 1)), { code: 'range-invalid' });
    await reader.close();
    await reader.close();
    await t.throwsAsync(reader.read(0, 1), { code: 'internal' });
  });

  it('a reader goes on after its blob was deleted', async (t, { blobs: store, add, remove }) => {
    const { bytes, digest } = sample(600 * KIB);
    await add(bytes, digest);
    const reader = await store.open(digest);
    const stream = reader.stream()[Symbol.asyncIterator]();
    const first = await stream.next();
    await remove(digest);
    t.is(store.size(digest), undefined);
    await t.throwsAsync(store.open(digest), { code: 'not-found' });
    const rest = await concat({ [Symbol.asyncIterator]: () => stream });
    t.true(Buffer.concat([first.value as Buffer, rest]).equals(bytes));
    await reader.close();
  });

  it('changes are told once, until unsubscribed', async (t, { blobs: store, add, remove }) => {
    const { bytes, digest } = sample(10);
    const changes: BlobChange[] = [];
    const unsubscribe = store.onChange((change) => changes.push(change));
    await add(bytes, digest);
    await add(bytes, digest);
    await remove(digest);
    unsubscribe();
    await add(bytes, digest);
    t.deepEqual(changes, [
      { kind: 'added', digest, size: 10 },
      { kind: 'removed', digest, size: 10 },
    ]);
  });

  it('a blob has the digests of its prefixes', async (t, { blobs: store, add }) => {
    for (const size of [0, 1, 64 * KIB, 64 * KIB + 1, 64 * 64 * KIB, 64 * 64 * KIB + 1, 5_000_000, 9_000_000]) {
      const { bytes, digest } = sample(size);
      await add(bytes, digest);
      assertCheckpoints(t, bytes, await store.checkpoints(digest));
    }
  });
}
