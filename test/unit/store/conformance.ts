import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { ExecutionContext, TestFn } from 'ava';
import { Digest, type DigestAlgorithm } from '../../../src/oci/digest.ts';
import { Grade, type BlobChange, type BlobStore, type PartialBlob } from '../../../src/store/blob-store.ts';

type MakeStore = (t: ExecutionContext) => Promise<BlobStore>;

const KIB = 1024;

/** Runs the contract of `BlobStore` and `PartialBlob` on an implementation. Each test gets an empty store from `make`. */
export function blobStoreConformance(test: TestFn, name: string, make: MakeStore): void {
  const it = (title: string, run: (t: ExecutionContext, store: BlobStore) => Promise<void>): void => {
    test(`${name}: ${title}`, async (t) => await run(t, await make(t)));
  };

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
      t.deepEqual(await store.write(chunks(bytes, 10_000), { expected: digest, expectedSize: bytes.length }), { digest, size: bytes.length });
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

  it('readers give any range, and refuse what lies outside', async (t, store) => {
    const { bytes, digest } = sample(600 * KIB);
    await store.write(chunks(bytes, 100_000));
    const reader = await store.open(digest);
    t.true((await reader.read(1000, 5000)).equals(bytes.subarray(1000, 6000)));
    t.true((await reader.read(bytes.length - 10, 100)).equals(bytes.subarray(-10)));
    t.is((await reader.read(bytes.length, 1)).length, 0);
    await t.throwsAsync(reader.read(bytes.length + 1, 1), { code: 'range-invalid' });
    for (const [start, end] of [[0, bytes.length], [7, 7], [300_000, 300_001], [1, bytes.length - 1]] as const) {
      for (const reuse of [false, true]) {
        t.true((await concat(reader.stream(start, end, { reuse }))).equals(bytes.subarray(start, end)));
      }
    }
    await t.throwsAsync(concat(reader.stream(0, bytes.length + 1)), { code: 'range-invalid' });
    await reader.close();
    await reader.close();
    await t.throwsAsync(reader.read(0, 1), { code: 'internal' });
  });

  it('a reader goes on after its blob was deleted', async (t, store) => {
    const { bytes, digest } = sample(600 * KIB);
    await store.write(chunks(bytes, 100_000));
    const reader = await store.open(digest);
    const stream = reader.stream()[Symbol.asyncIterator]();
    const first = await stream.next();
    t.true(await store.delete(digest));
    t.is(store.size(digest), undefined);
    await t.throwsAsync(store.open(digest), { code: 'not-found' });
    const rest = await concat({ [Symbol.asyncIterator]: () => stream });
    t.true(Buffer.concat([first.value as Buffer, rest]).equals(bytes));
    await reader.close();
  });

  it('changes are told once, until unsubscribed', async (t, store) => {
    const { bytes, digest } = sample(10);
    const changes: BlobChange[] = [];
    const unsubscribe = store.onChange((change) => changes.push(change));
    await store.write(chunks(bytes));
    await store.write(chunks(bytes));
    await store.delete(digest);
    unsubscribe();
    await store.write(chunks(bytes));
    t.deepEqual(changes, [{ kind: 'added', digest, size: 10 }, { kind: 'removed', digest, size: 10 }]);
  });

  it('a blob that was written has the digests of its prefixes', async (t, store) => {
    for (const size of [0, 1, 64 * KIB, 64 * KIB + 1, 64 * 64 * KIB, 64 * 64 * KIB + 1, 5_000_000, 9_000_000]) {
      const { bytes, digest } = sample(size);
      await store.write(chunks(bytes, 77_777));
      assertCheckpoints(t, bytes, await store.checkpoints(digest));
    }
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
    t.deepEqual(told, Array.from({ length: Math.ceil(bytes.length / partial.checkpointLength) }, (_, index) => index));
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
    await t.throwsAsync(store.openPartial(digest, bytes.length, 100), { code: 'internal' });
    await partial.close();
    await (await store.openPartial(digest, bytes.length, 100)).close();
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
    t.deepEqual(Array.from({ length: 10 }, (_, piece) => second.grade(piece)), [3, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
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
    for (const [offset, length] of [[-1, 10], [299, 2], [900, 101], [1000, 1], [0.5, 1]] as const) {
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

export function sample(size: number, algorithm: DigestAlgorithm = 'sha256'): { bytes: Buffer; digest: Digest } {
  const bytes = Buffer.alloc(size);
  // xorshift32: the same bytes for the same size, and no two alike pieces
  let state = size + 1;
  for (let index = 0; index < size; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
  return { bytes, digest: Digest.of(bytes, algorithm) };
}

export async function* chunks(bytes: Buffer, length = 65_536): AsyncGenerator<Buffer, void, undefined> {
  for (let start = 0; start < bytes.length; start += length) yield bytes.subarray(start, start + length);
}

export async function fill(partial: PartialBlob, bytes: Buffer, piece: number, grade: Grade = Grade.received): Promise<void> {
  const start = piece * partial.pieceLength;
  await partial.write(start, bytes.subarray(start, start + partial.pieceLength));
  partial.complete(piece, grade);
}

export async function readAll(store: BlobStore, digest: Digest): Promise<Buffer> {
  const reader = await store.open(digest);
  try {
    return await concat(reader.stream());
  } finally {
    await reader.close();
  }
}

async function concat(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

export function prefixDigest(bytes: Buffer, length: number, algorithm: DigestAlgorithm = 'sha256'): Buffer {
  return createHash(algorithm).update(bytes.subarray(0, length)).digest();
}

function assertCheckpoints(t: ExecutionContext, bytes: Buffer, checkpoints: Awaited<ReturnType<BlobStore['checkpoints']>>): void {
  const { size, checkpointLength, digests } = checkpoints!;
  t.is(size, bytes.length);
  t.is(digests.length, Math.max(1, Math.ceil(size / checkpointLength)), `${size} bytes`);
  for (const [index, digest] of digests.entries()) t.true(digest.equals(prefixDigest(bytes, (index + 1) * checkpointLength)), `${index} of ${size} bytes`);
}

function watch(store: BlobStore): string[] {
  const changes: string[] = [];
  store.onChange(({ kind, digest }) => changes.push(`${kind} ${digest.toString()}`));
  return changes;
}
