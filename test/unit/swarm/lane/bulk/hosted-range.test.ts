import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import { LayerswarmError } from '../../../../../src/errors.ts';
import { Digest } from '../../../../../src/oci/digest.ts';
import { Grade, type PartialBlob } from '../../../../../src/store/blob-store.ts';
import { openStore, type Store } from '../../../../../src/store/store.ts';
import { encodeFrame } from '../../../../../src/swarm/lane/frame.ts';
import type { Lane, RangeTarget } from '../../../../../src/swarm/lane/lane.ts';
import { CollectingTarget, patternBytes, sha256 } from '../../../../support/lane-source.ts';
import { MemorySwarm } from '../../../../support/memory-network.ts';
import { makeTlsNode, rawLane, type TlsNode } from '../../../../support/tls-lane-pair.ts';
import { tempDir } from '../../../../support/temp-dir.ts';
import { waitFor } from '../../../../support/wait-for.ts';

const PIECE = 64 * 1024;
const NEVER = new AbortController().signal;
const SIZE = 40 * PIECE + 1000;
const BYTES = patternBytes({ start: 0, end: SIZE });
const BLOB = Digest.of(BYTES);

interface Fixture {
  readonly a: TlsNode;
  readonly b: TlsNode;
  readonly c: TlsNode;
  readonly store: Store;
  readonly partial: PartialBlob;
}

/** `a` fetches into its store; `b` and `c` have the bytes in a file. */
async function fixture(t: ExecutionContext): Promise<Fixture> {
  const swarm = new MemorySwarm();
  const [a, b, c] = await Promise.all([makeTlsNode(swarm), makeTlsNode(swarm), makeTlsNode(swarm)]);
  for (const { thread } of [a, b, c]) t.teardown(() => thread.stop());
  const store = await openStore(tempDir(t), { openPartial: a.thread.partials.open });
  t.teardown(() => store.close());
  const path = join(tempDir(t), 'blob');
  await writeFile(path, BYTES);
  for (const { source } of [b, c]) source.onRead = (_, range) => ({ file: { path, start: range.start, end: range.end }, note: Buffer.from('a note') });
  return { a, b, c, store, partial: await store.blobs.openPartial(BLOB, SIZE, PIECE) };
}

/** A lane of `a` to whom speaks for `b`, and answers the first request no further than the test says. */
async function halfAnswering(a: TlsNode, b: TlsNode): Promise<{ lane: Lane; answer: (...parts: readonly Buffer[]) => Promise<void>; more: (part: Buffer) => void }> {
  const raw = await rawLane(b.network, a);
  const lane = await waitFor('the lane', () => a.hub.current(b.network.self), { interval: 5 });
  const more = (bytes: Buffer): void => { raw.write(encodeFrame({ type: 'data', id: 0, bytes })); };
  return {
    lane, more,
    answer: async (...parts) => {
      await waitFor('the request', () => raw.received().length > 20, { interval: 5 });
      raw.write(encodeFrame({ type: 'answer', id: 0, note: Buffer.alloc(0) }));
      for (const part of parts) more(part);
    },
  };
}

/** A target for one sender that completes its pieces, and refuses to be written to on this thread. */
function sender(t: ExecutionContext, partial: PartialBlob, start: number, pieces: number[]): RangeTarget & { release(): void } {
  const { hosted, release } = unbound(partial.sender!(start, (piece) => {
    pieces.push(piece);
    partial.complete(piece, Grade.received);
  }));
  return { hosted, release, write: () => { t.fail('bytes crossed the main thread'); } };
}

function unbound(target: ReturnType<NonNullable<PartialBlob['sender']>>): { hosted: RangeTarget['hosted']; release: () => void } {
  return { hosted: target.hosted, release: () => { target.release(); } };
}

test('a range goes into the file without crossing the main thread, and the blob is proven', async (t) => {
  const { a, b, store, partial } = await fixture(t);
  const lane = await a.hub.lane(b.network.self);
  const pieces: number[] = [];
  const target = sender(t, partial, 0, pieces);
  t.is(Buffer.from(await lane.request(BLOB, { start: 0, end: SIZE }, target, NEVER)).toString(), 'a note');
  target.release();
  // All pieces were told before the request resolved.
  t.deepEqual(pieces, Array.from({ length: 41 }, (_, piece) => piece));
  await partial.advance();
  t.true(partial.verdict);
  await partial.commit();
  t.is(store.blobs.size(BLOB), SIZE);
});

test('shared pieces are given with their notes without crossing the main thread, until they are discarded', async (t) => {
  const { a, b, partial } = await fixture(t);
  const pieces: number[] = [];
  const target = sender(t, partial, 0, pieces);
  await (await a.hub.lane(b.network.self)).request(BLOB, { start: 0, end: 4 * PIECE }, target, NEVER);
  target.release();
  partial.share!(0, [Buffer.from('one,'), Buffer.from('two,'), new Uint8Array()]);

  const asked: number[] = [];
  a.source.onRead = (_, range) => {
    asked.push(range.start);
    return undefined;
  };
  const lane = await b.hub.lane(a.network.self);
  const get = async (start: number, end: number): Promise<[string, boolean]> => {
    const collected = new CollectingTarget({ start, end });
    const note = await lane.request(BLOB, { start, end }, collected, NEVER);
    return [Buffer.from(note).toString(), collected.digest() === sha256(BYTES.subarray(start, end))];
  };
  t.deepEqual(await get(0, 3 * PIECE), ['one,two,', true]);
  t.deepEqual(await get(PIECE + 10, PIECE + 20), ['two,', true]);
  t.deepEqual(asked, []);
  await waitFor('the bytes to be counted', () => a.source.servedBytes === 3 * PIECE + 10);
  // The fourth is whole, but nobody said that it may be had.
  await t.throwsAsync(get(2 * PIECE, 4 * PIECE), { code: 'not-found' });
  await partial.discard([1]);
  await t.throwsAsync(get(0, 2 * PIECE), { code: 'not-found' });
  t.deepEqual(asked, [2 * PIECE, 0]);
  t.deepEqual(await get(0, PIECE), ['one,', true]);
});

test('two senders of the same pieces never mix, and each piece is told once', async (t) => {
  const { a, b, c, partial } = await fixture(t);
  // One of them has other bytes: whichever brought a piece brought all of it.
  const wrong = Buffer.from(BYTES.map((byte) => byte ^ 0xff));
  c.source.onRead = (_, range) => ({ bytes: wrong.subarray(range.start, range.end), note: Buffer.alloc(0) });
  const told: Record<'b' | 'c', number[]> = { b: [], c: [] };
  await Promise.all((['b', 'c'] as const).map(async (name) => {
    const lane = await a.hub.lane({ b, c }[name].network.self);
    const target = sender(t, partial, 0, told[name]);
    await lane.request(BLOB, { start: 0, end: SIZE }, target, NEVER);
    target.release();
  }));
  t.deepEqual([...told.b, ...told.c].sort((x, y) => x - y), Array.from({ length: 41 }, (_, piece) => piece));
  for (const [name, expected] of [['b', BYTES], ['c', wrong]] as const) {
    for (const piece of told[name]) {
      const range = [piece * PIECE, Math.min(SIZE, (piece + 1) * PIECE)] as const;
      t.true((await partial.read(range[0], range[1] - range[0])).equals(expected.subarray(...range)), `piece ${piece} of ${name}`);
    }
  }
  await partial.advance();
  t.is(partial.verdict, told.c.length === 0);
  // The bytes of a liar are fetched again.
  await partial.discard(told.c);
  const lane = await a.hub.lane(b.network.self);
  const target = sender(t, partial, 0, []);
  await lane.request(BLOB, { start: 0, end: SIZE }, target, NEVER);
  await partial.advance();
  t.true(partial.verdict);
});

test('what one sender left half-way another brings', async (t) => {
  const { a, b, c, partial } = await fixture(t);
  const { lane, answer } = await halfAnswering(a, b);
  const controller = new AbortController();
  const first: number[] = [];
  const target = sender(t, partial, 0, first);
  const asked = lane.request(BLOB, { start: 0, end: SIZE }, target, controller.signal);
  await answer(BYTES.subarray(0, PIECE), BYTES.subarray(PIECE, PIECE + 100));
  await waitFor('the first piece', () => first.length === 1, { interval: 5 });
  controller.abort();
  await t.throwsAsync(asked, { code: 'aborted' });
  target.release();
  const second: number[] = [];
  await (await a.hub.lane(c.network.self)).request(BLOB, { start: PIECE, end: SIZE }, sender(t, partial, PIECE, second), NEVER);
  t.is(second.length, 40);
  await partial.advance();
  t.true(partial.verdict);
});

test('bytes that come by another way are written by the same rules', async (t) => {
  const { a, b, partial } = await fixture(t);
  const pieces: number[] = [];
  // A read of the origin, on the main thread.
  const origin = partial.sender!(0, async (piece) => {
    await Promise.resolve();
    pieces.push(piece);
    partial.complete(piece, Grade.origin);
  });
  for (let at = 0; at < 3 * PIECE; at += 10_000) await origin.write(at, BYTES.subarray(at, Math.min(3 * PIECE, at + 10_000)));
  t.deepEqual(pieces, [0, 1, 2]);
  await t.throwsAsync(origin.write(0, BYTES.subarray(0, 10)));
  origin.release();
  const rest: number[] = [];
  await (await a.hub.lane(b.network.self)).request(BLOB, { start: 0, end: SIZE }, sender(t, partial, 0, rest), NEVER);
  t.is(rest.length, 38);
  t.is(partial.grade(0), Grade.origin);
  await partial.advance();
  t.true(partial.verdict);
});

test('senders whose bytes come in odd parts, one of which stops in a piece, bring the blob together', async (t) => {
  const { partial } = await fixture(t);
  const half = 20 * PIECE;
  const bring = (start: number): { readonly pieces: number[]; readonly release: () => void; next(end: number): Promise<boolean> } => {
    const pieces: number[] = [];
    const target = partial.sender!(start, (piece) => {
      pieces.push(piece);
      partial.complete(piece, Grade.received);
    });
    let at = start;
    return {
      pieces,
      release: () => { target.release(); },
      next: async (end) => {
        const part = BYTES.subarray(at, Math.min(end, at + 10_007));
        await target.write(at, part);
        at += part.length;
        return at < end;
      },
    };
  };
  const [front, back] = [bring(0), bring(half)];
  while ((await back.next(SIZE)) && (await front.next(half - PIECE / 2)));
  while (await front.next(half - PIECE / 2));
  front.release();
  while (await back.next(SIZE));
  t.deepEqual(front.pieces, Array.from({ length: 19 }, (_, piece) => piece));
  t.deepEqual(back.pieces, Array.from({ length: 21 }, (_, piece) => 20 + piece));

  const rest = bring(19 * PIECE);
  while (await rest.next(half));
  await partial.advance();
  t.true(partial.verdict);
  await partial.commit();
});

test('a blob that is closed ends the requests that fill it', async (t) => {
  const { a, b, partial } = await fixture(t);
  const controller = new AbortController();
  const { lane, answer, more } = await halfAnswering(a, b);
  const pieces: number[] = [];
  const target = sender(t, partial, 0, pieces);
  const asked = lane.request(BLOB, { start: 0, end: SIZE }, target, controller.signal);
  const failed = t.throwsAsync(asked, { instanceOf: LayerswarmError, code: 'internal' });
  await answer(BYTES.subarray(0, PIECE));
  await waitFor('a piece', () => pieces.length > 0, { interval: 1 });
  await partial.close();
  more(BYTES.subarray(PIECE, 2 * PIECE));
  await failed;
});
