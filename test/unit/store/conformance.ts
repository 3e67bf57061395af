import { setImmediate } from 'node:timers/promises';
import type { ExecutionContext, TestFn } from 'ava';
import { Digest } from '../../../src/oci/digest.ts';
import { Grade, type BlobStore, type PartialBlob } from '../../../src/store/blob-store.ts';
import { readableBlobsConformance } from './readable-conformance.ts';
import { assertCheckpoints, chunks, prefixDigest, readAll, sample } from './sample-blob.ts';

export { chunks, prefixDigest, readAll, sample };

type MakeStore = (t: ExecutionContext) => Promise<BlobStore>;

const KIB = 1024;

/** Runs the contract of `BlobStore` and `PartialBlob` on an implementation. Each test gets an empty store from `make`. */
export function blobStoreConformance(test: TestFn, name: string, make: MakeStore): void {
  const it = (title: string, run: (t: ExecutionContext, store: BlobStore) => Promise<void>): void => {
    test(`${name}: ${title}`, async (t) => await run(t, await make(t)));
  };

  readableBlobsConformance(test, name, async (t) => {
    const blobs = await make(t);
    return {
      blobs,
      add: async (bytes) => void (await blobs.write(chunks(bytes, 77_777))),
      remove: async (digest) => void (await blobs.delete(digest)),
    };
  });

  it('an empty store has nothing', async (t, store) => {
    const digest = Digest.of(Buffer.from('nothing'));
    t.is(store.size(digest), undefined);
    t.deepEqual([...store.list()], []);
    t.deepEqual([...store.partials()], []);
    t.is(await store.checkpoints(digest), undefined);
    t.false(await store.delete(digest));
    await t.throwsAsync(store.open(digest), { code: 'not-found' });
  });

  for (const algorithm of ['sha256', 'sha512'] as const) {
    it(`a blob that is written can be read under its ${algorithm} digest`, async (t, store) => {
      const { bytes, digest } = sample(300 * KIB, algorithm);
      t.deepEqual(await store.write(chunks(bytes, 10_000), { expected: digest, expectedSize: bytes.length }), {
        digest,
        size: bytes.length,
      });
      t.is(store.size(digest), bytes.length);
      t.deepEqual([...store.list()], [{ digest, size: bytes.length }]);
      t.true((await readAll(store, digest)).equals(bytes));
    });
  }

  it('a blob without an expected digest gets its sha256 digest', async (t, store) => {
    const { bytes, digest } = sample(5);
    t.is((await store.write(chunks(bytes))).digest.toString(), digest.toString());
  });

  it('an empty blob is a blob', async (t, store) => {
    const { digest } = sample(0);
    await store.write(chunks(Buffer.alloc(0)), { expected: digest, expectedSize: 0 });
    t.is(store.size(digest), 0);
    t.is((await readAll(store, digest)).length, 0);
  });

  for (const [title, code, options] of [
    ['other bytes than expected', 'digest-mismatch', { expected: sample(1).digest }],
    ['fewer bytes than expected', 'size-mismatch', { expectedSize: 1001 }],
    ['more bytes than expected', 'size-mismatch', { expectedSize: 999 }],
    ['more bytes than allowed', 'too-large', { maxBytes: 999 }],
    ['an expected size that is not allowed', 'too-large', { expectedSize: 1000, maxBytes: 999 }],
    ['an aborted signal', 'aborted', { signal: AbortSignal.abort() }],
  ] as const) {
    it(`a write with ${title} fails with ${code} and leaves nothing`, async (t, store) => {
      const { bytes, digest } = sample(1000);
      await t.throwsAsync(store.write(chunks(bytes, 100), options), { code });
      t.is(store.size(digest), undefined);
      t.deepEqual([...store.list()], []);
    });
  }

  it('a write is aborted while its source is silent', async (t, store) => {
    const abort = new AbortController();
    const silent = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('begun');
      setTimeout(() => abort.abort(), 0);
      await new Promise(() => undefined);
    };
    await t.throwsAsync(store.write(silent(), { signal: abort.signal }), { code: 'aborted' });
  });

  it('a source that throws ends the write with its error', async (t, store) => {
    const failing = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('begun');
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    };
    await t.throwsAsync(store.write(failing()), { code: 'disk-full' });
    t.deepEqual([...store.list()], []);
  });

  it('the same blob written twice at once is there once', async (t, store) => {
    const { bytes, digest } = sample(100 * KIB);
    const changes = watch(store);
    await Promise.all([store.write(chunks(bytes, 1000)), store.write(chunks(bytes, 777))]);
    t.deepEqual([...store.list()], [{ digest, size: bytes.length }]);
    t.deepEqual(changes, [`added ${digest.toString()}`]);
  });

  it('pieces that arrive in order become a blob', async (t, store) => {
    const { bytes, digest } = sample(1_000_000);
    const partial = await store.openPartial(digest, bytes.length, 64 * KIB);
    t.is(partial.pieceCount, 16);
    const told: number[] = [];
    partial.onCheckpoint = (index, prefix) => {
      told.push(index);
      t.true(prefix.equals(prefixDigest(bytes, (index + 1) * partial.checkpointLength)));
    };
    for (let piece = 0; piece < partial.pieceCount; piece++) {
      t.is(partial.verdict, undefined);
      await fill(partial, bytes, piece);
      t.is(partial.haveBytes(), Math.min(bytes.length, (piece + 1) * partial.pieceLength));
      await partial.advance();
      t.is(partial.hashedBytes, partial.haveBytes());
    }
    t.true(partial.verdict);
    t.deepEqual([...store.partials()], [{ digest, size: bytes.length, haveBytes: bytes.length }]);
    await partial.commit();
    t.deepEqual(
      told,
      Array.from({ length: Math.ceil(bytes.length / partial.checkpointLength) }, (_, index) => index),
    );
    t.deepEqual([...store.partials()], []);
    t.true((await readAll(store, digest)).equals(bytes));
    assertCheckpoints(t, bytes, await store.checkpoints(digest));
  });

  it('a partial blob of no bytes is proven at once', async (t, store) => {
    const { digest } = sample(0);
    const partial = await store.openPartial(digest, 0, 64 * KIB);
    await partial.advance();
    t.true(partial.verdict);
    await partial.commit();
    t.is(store.size(digest), 0);
  });

  it('a partial blob has one owner at a time', async (t, store) => {
    const { bytes, digest } = sample(1000);
    const partial = await store.openPartial(digest, bytes.length, 100);
    await t.throwsAsync(store.openPartial(digest, bytes.length, 100), { code: 'unavailable' });
    await partial.close();
    await (await store.openPartial(digest, bytes.length, 100)).close();
  });

  it('the next owner of a partial blob waits until the one before has let go', async (t, store) => {
    const { bytes, digest } = sample(1000);
    const first = await store.openPartial(digest, bytes.length, 100);
    await fill(first, bytes, 2, Grade.origin);
    const closed = first.close();
    const second = store.openPartial(digest, bytes.length, 100);
    const third = store.openPartial(digest, bytes.length, 100);
    t.is((await second).grade(2), Grade.origin);
    await closed;
    await t.throwsAsync(third, { code: 'unavailable' });
    const again = (await second).close().then(() => undefined);
    const fourth = await store.openPartial(digest, bytes.length, 100);
    await again;
    await fourth.close();
  });

  it('pieces are kept when a partial blob is closed', async (t, store) => {
    const { bytes, digest } = sample(1000);
    const first = await store.openPartial(digest, bytes.length, 100);
    await fill(first, bytes, 3, Grade.vouched);
    await fill(first, bytes, 0, Grade.origin);
    await first.write(100, bytes.subarray(100, 150));
    await first.close();
    t.deepEqual([...store.partials()], [{ digest, size: 1000, haveBytes: 200 }]);
    const second = await store.openPartial(digest, bytes.length, 100);
    t.deepEqual(
      Array.from({ length: 10 }, (_, piece) => second.grade(piece)),
      [3, 0, 0, 2, 0, 0, 0, 0, 0, 0],
    );
    await second.advance();
    t.is(second.hashedBytes, 100);
    t.true((await second.read(300, 100)).equals(bytes.subarray(300, 400)));
    await second.close();
  });

  it('grades only go up, and bytes of a complete piece stay', async (t, store) => {
    const { bytes, digest } = sample(1000);
    const partial = await store.openPartial(digest, bytes.length, 100);
    await fill(partial, bytes, 0, Grade.origin);
    partial.complete(0, Grade.received);
    t.is(partial.grade(0), Grade.origin);
    await partial.write(0, Buffer.alloc(100, 'x'));
    t.true((await partial.read(0, 100)).equals(bytes.subarray(0, 100)));
    await partial.close();
  });

  it('wrong bytes give a false verdict, and right ones after a discard a true one', async (t, store) => {
    const { bytes, digest } = sample(500_000);
    const partial = await store.openPartial(digest, bytes.length, 64 * KIB);
    const wrong = Buffer.from(bytes);
    wrong[200_000]! ^= 1;
    for (let piece = 0; piece < partial.pieceCount; piece++) await fill(partial, wrong, piece);
    await partial.advance();
    t.false(partial.verdict);
    await t.throwsAsync(partial.commit(), { code: 'verification-failed' });
    await partial.discard([3]);
    t.is(partial.verdict, undefined);
    t.is(partial.grade(3), Grade.missing);
    t.true(partial.hashedBytes <= 3 * partial.pieceLength);
    await fill(partial, bytes, 3);
    await partial.advance();
    t.true(partial.verdict);
    await partial.commit();
    t.true((await readAll(store, digest)).equals(bytes));
  });

  it('what lies outside a piece or the blob is refused', async (t, store) => {
    const { digest } = sample(1000);
    const partial = await store.openPartial(digest, 1000, 300);
    for (const [offset, length] of [
      [-1, 10],
      [299, 2],
      [900, 101],
      [1000, 1],
      [0.5, 1],
    ] as const) {
      await t.throwsAsync(partial.write(offset, Buffer.alloc(length)), { code: 'range-invalid' }, `${length} at ${offset}`);
    }
    for (const piece of [-1, 4, 0.5]) {
      t.throws(() => partial.complete(piece, Grade.received), { code: 'range-invalid' });
      t.throws(() => partial.grade(piece), { code: 'range-invalid' });
    }
    await partial.close();
  });

  it('two writers of one piece never prove what is not on the disk', async (t, store) => {
    const { bytes, digest } = sample(64 * KIB);
    const wrong = Buffer.alloc(bytes.length, 'x');
    for (let round = 0; round < 50; round++) {
      const partial = await store.openPartial(digest, bytes.length, bytes.length);
      const order = round % 2 === 0 ? [bytes, wrong] : [wrong, bytes];
      const writes = order.map((content) => partial.write(0, content));
      await writes[round % 3 === 0 ? 0 : 1];
      partial.complete(0, Grade.received);
      await partial.advance();
      t.is(partial.verdict, (await partial.read(0, bytes.length)).equals(bytes));
      await Promise.all(writes);
      await partial.discard([0]);
      await partial.close();
    }
  });

  it('a partial blob that is deleted while open cannot become a blob', async (t, store) => {
    const { bytes, digest } = sample(1000);
    const partial = await store.openPartial(digest, bytes.length, 1000);
    await fill(partial, bytes, 0);
    await partial.advance();
    t.true(await store.delete(digest));
    await t.throwsAsync(partial.commit(), { code: 'aborted' });
    await partial.close();
    t.is(store.size(digest), undefined);
    t.deepEqual([...store.partials()], []);
  });

  it('calls of advance join, and see what completes meanwhile', async (t, store) => {
    const { bytes, digest } = sample(3_000_000);
    const partial = await store.openPartial(digest, bytes.length, 1_000_000);
    await fill(partial, bytes, 2);
    await fill(partial, bytes, 1);
    await fill(partial, bytes, 0);
    const first = partial.advance();
    t.is(partial.advance(), first);
    await setImmediate();
    await Promise.all([first, partial.advance()]);
    t.true(partial.verdict);
    await partial.close();
  });
}

export async function fill(partial: PartialBlob, bytes: Buffer, piece: number, grade: Grade = Grade.received): Promise<void> {
  const start = piece * partial.pieceLength;
  await partial.write(start, bytes.subarray(start, start + partial.pieceLength));
  partial.complete(piece, grade);
}

function watch(store: BlobStore): string[] {
  const changes: string[] = [];
  store.onChange(({ kind, digest }) => changes.push(`${kind} ${digest.toString()}`));
  return changes;
}
