import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext, TestFn } from 'ava';
import { LayerswarmError, type ErrorCode } from '../../../../src/errors.ts';
import { Digest } from '../../../../src/oci/digest.ts';
import { encodeFrame, encodeHeader, MAX_NOTE_BYTES } from '../../../../src/swarm/lane/frame.ts';
import type { Lane } from '../../../../src/swarm/lane/lane.ts';
import { CollectingTarget, patternBytes, patternDigest, sha256, TestLaneSource } from '../../../support/lane-source.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { waitFor } from '../../../support/wait-for.ts';

export interface LaneOptions {
  readonly stallMs?: number;
  readonly idleMs?: number;
}

export interface LaneNode {
  readonly peerId: string;
  readonly source: TestLaneSource;
  laneTo(node: LaneNode): Promise<Lane>;
  /** The lane to that node, if one is open. */
  currentLane(node: LaneNode): Lane | undefined;
  /** Cuts every connection without a goodbye. */
  die(): Promise<void>;
}

/** The far end of a lane, byte by byte. */
export interface RawLane {
  write(bytes: Uint8Array): void;
  /** Everything that came. */
  received(): Buffer;
  readonly closed: Promise<void>;
}

/** Two nodes that are connected and have no lane yet; `stop` ends everything. */
export interface LanePair {
  readonly a: LaneNode;
  readonly b: LaneNode;
  /** Opens a lane to `a` as the peer that `b` is, and speaks for itself from then on. */
  rawLaneToA(): Promise<RawLane>;
  stop(): Promise<void>;
}

const BLOB = Digest.of(Buffer.from('a blob of the lane tests'));
const NEVER = new AbortController().signal;
const NO_NOTE = new Uint8Array(0);
const MIB = 1 << 20;

/** What every `Lane` must do. */
export function testLane(test: TestFn, name: string, makePair: (options?: LaneOptions) => Promise<LanePair>): void {
  const withPair = (title: string, body: (t: ExecutionContext, pair: LanePair) => Promise<void>, options?: LaneOptions): void => {
    // One after another: some of them measure what the others would disturb.
    test.serial(`${name}: ${title}`, async (t) => {
      const pair = await makePair(options);
      try {
        await body(t, pair);
      } finally {
        await pair.stop();
      }
    });
  };

  withPair('ranges of every size arrive in order with their note', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    for (const [start, length] of [[0, 0], [5, 0], [0, 1], [7, 65_535], [0, 65_536], [1, 65_537], [123_456, 3 * MIB + 1], [2 ** 33, 200_000]] as const) {
      const range = { start, end: start + length };
      const target = new CollectingTarget(range);
      const note = await lane.request(BLOB, range, target, NEVER);
      t.is(Buffer.from(note).toString(), 'pattern');
      t.is(target.received, length);
      t.is(target.digest(), sha256(patternBytes(range)), `${length} bytes from ${start}`);
    }
    t.is(b.source.reads[0]!.peerId, a.peerId);
  });

  withPair('many requests run at once, both ways, on one lane', async (t, { a, b }) => {
    const [there, back] = [await a.laneTo(b), await b.laneTo(a)];
    const ask = async (lane: Lane, i: number): Promise<void> => {
      const range = { start: i * 1000, end: i * 1000 + 150_000 + i };
      const target = new CollectingTarget(range);
      await lane.request(BLOB, range, target, NEVER);
      t.is(target.digest(), sha256(patternBytes(range)));
    };
    await Promise.all(Array.from({ length: 60 }, async (_, i) => { await ask(i % 2 === 0 ? there : back, i); }));
    t.is(await a.laneTo(b), there);
    t.true(there.receivedBytes > 30 * 150_000);
    t.true(back.sentBytes >= 30 * 150_000);
  });

  withPair('256 MiB pass through with the right digest', async (t, { a, b }) => {
    const range = { start: 0, end: 256 * MIB };
    // The same memory again and again: the lane is under test here, not what makes the bytes.
    const megabyte = patternBytes({ start: 0, end: MIB });
    b.source.onRead = () => ({ chunks: repeat(megabyte, 256), note: NO_NOTE });
    const target = new CollectingTarget(range);
    await (await a.laneTo(b)).request(BLOB, range, target, NEVER);
    t.is(target.digest(), sha256(Buffer.concat(Array.from({ length: 256 }, () => megabyte))));
  });

  withPair('a small range overtakes a large one', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const large = { start: 0, end: 1024 * MIB };
    b.source.onRead = (_, range) => ({ chunks: repeat(patternBytes({ start: 0, end: Math.min(MIB, range.end - range.start) }), Math.ceil((range.end - range.start) / MIB)), note: NO_NOTE });
    const controller = new AbortController();
    const target = new CollectingTarget(large);
    const bulk = lane.request(BLOB, large, target, controller.signal);
    await waitFor('the large range to begin', () => target.received > 0, { interval: 1 });
    await lane.request(BLOB, { start: 0, end: 1000 }, new CollectingTarget({ start: 0, end: 1000 }), NEVER);
    t.true(target.received < large.end / 4, `${target.received} bytes of the large one came first`);
    controller.abort();
    await throwsCode(t, bulk, 'aborted');
  });

  withPair('what the peer has not is refused', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    b.source.onRead = () => undefined;
    const target = new CollectingTarget({ start: 0, end: 10 });
    await throwsCode(t, lane.request(BLOB, { start: 0, end: 10 }, target, NEVER), 'not-found');
    t.is(target.writes, 0);
  });

  withPair('a source that fails or ends half-way fails that request alone', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 300_000 };
    const sources: (() => AsyncGenerator<Buffer>)[] = [
      async function* fails() { yield patternBytes({ start: 0, end: 100_000 }); await Promise.reject(new Error('the disk is broken')); },
      async function* endsEarly() { yield await Promise.resolve(patternBytes({ start: 0, end: 100_000 })); },
      async function* givesTooMuch() { yield await Promise.resolve(patternBytes({ start: 0, end: 400_000 })); },
    ];
    for (const chunks of sources) {
      b.source.onRead = () => ({ chunks: chunks(), note: NO_NOTE });
      await throwsCode(t, lane.request(BLOB, range, new CollectingTarget(range), NEVER), 'unavailable');
    }
    b.source.onRead = async () => await Promise.reject(new Error('the store is broken'));
    await throwsCode(t, lane.request(BLOB, range, new CollectingTarget(range), NEVER), 'unavailable');
    b.source.onRead = new TestLaneSource().onRead;
    await lane.request(BLOB, range, new CollectingTarget(range), NEVER);
    t.pass();
  });

  withPair('a file answers a request, and is let go after it', async (t, { a, b }) => {
    const dir = tempDir(t, 'lane');
    const path = join(dir, 'blob');
    const bytes = randomBytes(3 * MIB);
    await writeFile(path, bytes);
    let closed = 0;
    b.source.onRead = (_, range) => ({ file: { path, start: range.start, end: range.end }, note: Buffer.from('file'), close: () => { closed += 1; } });
    const lane = await a.laneTo(b);
    for (const range of [{ start: 0, end: bytes.length }, { start: 1000, end: 1001 }, { start: 77, end: 2 * MIB + 77 }]) {
      const target = new CollectingTarget(range);
      t.is(Buffer.from(await lane.request(BLOB, range, target, NEVER)).toString(), 'file');
      t.is(target.digest(), sha256(bytes.subarray(range.start, range.end)));
    }
    await throwsCode(t, lane.request(BLOB, { start: 0, end: bytes.length + 1 }, new CollectingTarget({ start: 0, end: bytes.length + 1 }), NEVER), 'unavailable');
    b.source.onRead = (_, range) => ({ file: { path: join(dir, 'missing'), start: range.start, end: range.end }, note: NO_NOTE, close: () => { closed += 1; } });
    await throwsCode(t, lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER), 'unavailable');
    await waitFor('the files to be let go', () => closed === 5);
    t.pass();
  });

  withPair('an aborted request writes nothing more, ends the source, and leaves the lane usable', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 1024 * MIB };
    const ended = Promise.withResolvers<void>();
    b.source.onRead = () => ({ chunks: repeat(patternBytes({ start: 0, end: MIB }), 1024, ended.resolve), note: NO_NOTE });
    const controller = new AbortController();
    const target = new CollectingTarget(range);
    const request = lane.request(BLOB, range, target, controller.signal);
    await waitFor('some bytes', () => target.received > MIB, { interval: 1 });
    controller.abort();
    await throwsCode(t, request, 'aborted');
    const { received, writes } = target;
    await ended.promise;
    b.source.onRead = new TestLaneSource().onRead;
    await lane.request(BLOB, { start: 0, end: 9 }, new CollectingTarget({ start: 0, end: 9 }), NEVER);
    t.deepEqual({ received: target.received, writes: target.writes }, { received, writes });
    await throwsCode(t, lane.request(BLOB, range, target, AbortSignal.abort()), 'aborted');
  });

  withPair('what the target throws ends its request alone', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 20 * MIB };
    let calls = 0;
    const failing = {
      write: async (): Promise<void> => {
        calls += 1;
        await Promise.resolve();
        if (calls === 3) throw new LayerswarmError('disk-full', 'the disk is full');
      },
    };
    const other = new CollectingTarget(range);
    await Promise.all([
      throwsCode(t, lane.request(BLOB, range, failing, NEVER), 'disk-full'),
      lane.request(BLOB, range, other, NEVER),
    ]);
    t.is(calls, 3);
    t.is(other.digest(), await patternDigest(range));
  });

  withPair('a target that writes at once, without a promise, is served too', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const parts: Buffer[] = [];
    await lane.request(BLOB, { start: 10, end: 500_000 }, { write: (_, chunk) => { parts.push(Buffer.from(chunk)); } }, NEVER);
    t.is(sha256(Buffer.concat(parts)), sha256(patternBytes({ start: 10, end: 500_000 })));
  });

  withPair('a slow reader stops the sender within bounded memory', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 256 * MIB };
    let given = 0;
    const megabyte = patternBytes({ start: 0, end: MIB });
    b.source.onRead = () => ({ chunks: repeat(megabyte, 256, undefined, () => { given += MIB; }), note: NO_NOTE });
    const target = new CollectingTarget(range);
    const release = Promise.withResolvers<void>();
    target.gate = async () => { await release.promise; };
    const request = lane.request(BLOB, range, target, NEVER);
    let last = -1;
    await waitFor('the sender to stop', () => {
      const still = given > 0 && given === last;
      last = given;
      return still;
    }, { interval: 500 });
    t.is(target.received, 0);
    t.true(given <= 24 * MIB, `${given} bytes left the source although nothing was taken`);
    t.true((await b.laneTo(a)).sendBacklog >= range.end - 24 * MIB);
    release.resolve();
    await request;
    t.is(target.received, range.end);
    const back = await b.laneTo(a);
    await waitFor('an empty backlog', () => back.sendBacklog === 0);
  });

  withPair('a peer that stays silent is given up after the stall time', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 10 * MIB };
    const release = Promise.withResolvers<void>();
    b.source.onRead = () => ({
      chunks: (async function* stuck() {
        yield patternBytes({ start: 0, end: MIB });
        await release.promise;
        yield patternBytes({ start: 0, end: MIB });
      })(),
      note: NO_NOTE,
    });
    const target = new CollectingTarget(range);
    await throwsCode(t, lane.request(BLOB, range, target, NEVER), 'timeout');
    t.is(target.received, MIB);
    release.resolve();
    // The lane was silent as a whole: the next one is new.
    b.source.onRead = new TestLaneSource().onRead;
    await waitFor('both sides to drop it', () => a.currentLane(b) !== lane && b.currentLane(a) === undefined);
    await (await a.laneTo(b)).request(BLOB, { start: 0, end: 9 }, new CollectingTarget({ start: 0, end: 9 }), NEVER);
  }, { stallMs: 300 });

  withPair('a target that takes longer than the stall time is no stall', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 200_000 };
    const target = new CollectingTarget(range);
    let slow = true;
    target.gate = async () => {
      if (!slow) return;
      slow = false;
      await new Promise((resolve) => { setTimeout(resolve, 350); });
    };
    await lane.request(BLOB, range, target, NEVER);
    t.is(target.received, range.end);
  }, { stallMs: 300 });

  withPair('a peer that dies half-way ends requests and pushes of both sides', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 1024 * MIB };
    const ended = Promise.withResolvers<void>();
    b.source.onRead = () => ({ chunks: repeat(patternBytes({ start: 0, end: MIB }), 1024, ended.resolve), note: NO_NOTE });
    const target = new CollectingTarget(range);
    const request = lane.request(BLOB, range, target, NEVER);
    const push = (await b.laneTo(a)).push(BLOB, { start: 0, end: 400 * MIB }, Buffer.alloc(400 * MIB), NO_NOTE, NEVER);
    await waitFor('both to be under way', () => target.received > MIB && (a.source.pushes[0]?.target.received ?? 0) > MIB, { interval: 1 });
    await Promise.all([
      throwsCode(t, request, 'peer-gone'),
      throwsCode(t, push, 'peer-gone'),
      b.die(),
    ]);
    t.false(await a.source.pushes[0]!.outcome);
    await ended.promise;
    await throwsCode(t, lane.request(BLOB, range, target, NEVER), 'peer-gone');
  });

  withPair('a push arrives with its note, whatever its size', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    for (const [start, length] of [[0, 0], [3, 1], [0, 65_536], [10, 5 * MIB + 3]] as const) {
      const range = { start, end: start + length };
      t.true(await lane.push(BLOB, range, patternBytes(range), Buffer.from(`note ${length}`), NEVER));
      const push = await waitFor('the push', () => b.source.pushes.find((push) => push.note === `note ${length}`));
      t.true(await push.outcome);
      t.deepEqual({ from: push.from, blob: push.blob.toString(), range: push.range }, { from: a.peerId, blob: BLOB.toString(), range });
      t.is(push.target.digest(), sha256(patternBytes(range)));
    }
  });

  withPair('a range of a file can be pushed', async (t, { a, b }) => {
    const path = join(tempDir(t, 'lane'), 'blob');
    const bytes = randomBytes(2 * MIB);
    await writeFile(path, bytes);
    const lane = await a.laneTo(b);
    t.true(await lane.push(BLOB, { start: 5000, end: 5000 + MIB }, { path, start: 5000, end: 5000 + MIB }, NO_NOTE, NEVER));
    const push = await waitFor('the push', () => b.source.pushes[0]);
    t.true(await push.outcome);
    t.is(push.target.digest(), sha256(bytes.subarray(5000, 5000 + MIB)));
  });

  withPair('pushes and requests run beside each other, both ways', async (t, { a, b }) => {
    const [there, back] = [await a.laneTo(b), await b.laneTo(a)];
    const range = { start: 0, end: 2 * MIB };
    const bytes = patternBytes(range);
    const expected = sha256(bytes);
    await Promise.all([there, back].flatMap((lane) => [1, 2, 3].map(async () => {
      const target = new CollectingTarget(range);
      const [pushed] = await Promise.all([lane.push(BLOB, range, bytes, NO_NOTE, NEVER), lane.request(BLOB, range, target, NEVER)]);
      t.true(pushed);
      t.is(target.digest(), expected);
    })));
    const pushes = await waitFor('all pushes', () => a.source.pushes.length + b.source.pushes.length === 6 && [...a.source.pushes, ...b.source.pushes]);
    t.deepEqual(await Promise.all(pushes.map(async (push) => await push.outcome)), Array.from({ length: 6 }, () => true));
    t.deepEqual(pushes.map((push) => push.target.digest()), Array.from({ length: 6 }, () => expected));
  });

  withPair('a push that nobody wants is cancelled at its sender', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    b.source.onPush = () => undefined;
    t.false(await lane.push(BLOB, { start: 0, end: 256 * MIB }, Buffer.alloc(256 * MIB), NO_NOTE, NEVER));
    t.true(lane.sentBytes < 128 * MIB, `${lane.sentBytes} bytes were sent all the same`);
    await lane.request(BLOB, { start: 0, end: 9 }, new CollectingTarget({ start: 0, end: 9 }), NEVER);
  });

  withPair('a push whose target fails is cancelled at its sender', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    b.source.onPush = () => ({
      write: async (offset) => {
        await Promise.resolve();
        if (offset > MIB) throw new LayerswarmError('disk-full', 'the disk is full');
      },
    });
    t.false(await lane.push(BLOB, { start: 0, end: 256 * MIB }, Buffer.alloc(256 * MIB), NO_NOTE, NEVER));
    t.false(await b.source.pushes[0]!.outcome);
    await lane.request(BLOB, { start: 0, end: 9 }, new CollectingTarget({ start: 0, end: 9 }), NEVER);
  });

  withPair('a push that has not begun can be aborted, one that has begun is finished', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const release = Promise.withResolvers<void>();
    b.source.onPush = () => ({ write: async () => { await release.promise; } });
    const controller = new AbortController();
    const range = { start: 0, end: 4 * MIB };
    const bytes = patternBytes(range);
    // More than are ever under way at once, so the last has not begun.
    const first = Array.from({ length: 40 }, async () => await lane.push(BLOB, range, bytes, NO_NOTE, NEVER));
    const begun = lane.push(BLOB, range, bytes, NO_NOTE, controller.signal).then(() => 'sent', (error: unknown) => (error as LayerswarmError).code);
    await waitFor('pushes to begin', () => b.source.pushes.length > 0, { interval: 1 });
    controller.abort();
    t.is(await begun, 'aborted');
    release.resolve();
    t.true((await Promise.all(first)).every(Boolean));
    await throwsCode(t, lane.push(BLOB, range, bytes, NO_NOTE, AbortSignal.abort()), 'aborted');
    await throwsCode(t, lane.push(BLOB, range, bytes.subarray(1), NO_NOTE, NEVER), 'range-invalid');
    await throwsCode(t, lane.push(BLOB, range, bytes, Buffer.alloc(MAX_NOTE_BYTES + 1), NEVER), 'too-large');
  });

  withPair('two nodes that open a lane at the same moment get one that works both ways', async (t, { a, b }) => {
    const lanes = await Promise.all([a.laneTo(b), b.laneTo(a), a.laneTo(b), b.laneTo(a)]);
    t.is(lanes[0], lanes[2]);
    t.is(lanes[1], lanes[3]);
    await Promise.all(lanes.map(async (lane) => await lane.request(BLOB, { start: 0, end: 100_000 }, new CollectingTarget({ start: 0, end: 100_000 }), NEVER)));
    t.is(a.currentLane(b), lanes[0]);
    t.is(b.currentLane(a), lanes[1]);
  });

  withPair('closing ends what is under way, and the next lane is a new one', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    b.source.onRead = () => ({ chunks: (async function* stuck() { yield await new Promise<Buffer>(() => undefined); })(), note: NO_NOTE });
    const request = lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
    await waitFor('the request to arrive', () => b.source.reads.length === 1, { interval: 1 });
    await Promise.all([throwsCode(t, request, 'peer-gone'), lane.close()]);
    await waitFor('the peer to notice', () => b.currentLane(a) === undefined);
    b.source.onRead = new TestLaneSource().onRead;
    const next = await b.laneTo(a);
    t.not(next, lane);
    await next.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
  });

  withPair('a lane that nobody uses is closed on both sides', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    await lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
    await waitFor('it to be closed', () => a.currentLane(b) === undefined && b.currentLane(a) === undefined);
    await throwsCode(t, lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER), 'peer-gone');
    const next = await a.laneTo(b);
    await next.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
    t.not(next, lane);
  }, { idleMs: 100 });

  const request = { type: 'request', id: 0, blob: BLOB, range: { start: 0, end: 10 } } as const;
  const push = { type: 'push', id: 0, blob: BLOB, range: { start: 0, end: 10 }, note: NO_NOTE } as const;
  const hostile: Readonly<Record<string, readonly Uint8Array[]>> = {
    'an unknown frame type': [Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0)],
    'a frame that is too long': [Uint8Array.of(3, 0xff, 0xff, 0xff, 0, 0, 0, 0)],
    'an empty data frame': [Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0)],
    'a second hello': [encodeFrame({ type: 'hello', id: 0, version: 1 })],
    'an answer to nothing': [encodeFrame({ type: 'answer', id: 5, note: NO_NOTE })],
    'data for nothing': [encodeHeader('data', 5, 3), Buffer.from('abc')],
    'the end of nothing': [encodeFrame({ type: 'end', id: 1 })],
    'a refusal of nothing': [encodeFrame({ type: 'refuse', id: 1, reason: 'not-found' })],
    'the cancel of a request that was never made': [encodeFrame({ type: 'cancel', id: 1 })],
    'the cancel of a push that was never begun': [encodeFrame({ type: 'push-cancel', id: 1 })],
    'one request number twice': [encodeFrame(request), encodeFrame(request)],
    'a range that ends before it starts': [reversedRange()],
    'one push number twice': [encodeFrame(push), encodeFrame(push)],
    'a push longer than it said': [encodeFrame(push), encodeFrame({ type: 'push-data', id: 0, bytes: Buffer.alloc(11) })],
    'a push that says it is complete and is not': [encodeFrame(push), encodeFrame({ type: 'push-end', id: 0, complete: true })],
    'data behind the end of a push': [encodeFrame({ ...push, range: { start: 0, end: 0 } }), encodeFrame({ type: 'push-end', id: 0, complete: true }), encodeFrame({ type: 'push-data', id: 0, bytes: Buffer.alloc(1) })],
    'more requests than anybody may have open': Array.from({ length: 1100 }, (_, id) => encodeFrame({ ...request, id })),
  };
  for (const [what, frames] of Object.entries(hostile)) {
    withPair(`the lane is closed on ${what}`, async (t, pair) => {
      // Nothing is answered, so that what is open stays open.
      pair.a.source.onRead = async () => await new Promise(() => undefined);
      const raw = await pair.rawLaneToA();
      await waitFor('hello', () => raw.received().length >= 9, { interval: 5 });
      t.deepEqual(raw.received().subarray(0, 9), encodeFrame({ type: 'hello', id: 0, version: 1 }));
      for (const frame of frames) raw.write(frame);
      await raw.closed;
      await waitFor('the lane to be dropped', () => pair.a.currentLane(pair.b) === undefined, { interval: 5 });
      t.pass();
    });
  }

  withPair('answers that overrun the request, or come in the wrong order, close the lane', async (t, pair) => {
    const answers: readonly (readonly Uint8Array[])[] = [
      [encodeFrame({ type: 'answer', id: 0, note: NO_NOTE }), encodeFrame({ type: 'data', id: 0, bytes: Buffer.alloc(11) })],
      [encodeFrame({ type: 'answer', id: 0, note: NO_NOTE }), encodeFrame({ type: 'answer', id: 0, note: NO_NOTE })],
      [encodeFrame({ type: 'answer', id: 0, note: NO_NOTE }), encodeFrame({ type: 'end', id: 0 })],
      [encodeFrame({ type: 'data', id: 0, bytes: Buffer.alloc(10) })],
    ];
    for (const frames of answers) {
      const raw = await pair.rawLaneToA();
      const lane = await waitFor('the lane', () => pair.a.currentLane(pair.b), { interval: 5 });
      const asked = lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
      await waitFor('the request', () => raw.received().length > 20, { interval: 5 });
      for (const frame of frames) raw.write(frame);
      await Promise.all([throwsCode(t, asked, 'peer-misbehaved'), raw.closed]);
    }
  });
}

async function* repeat(chunk: Buffer, times: number, ended?: () => void, given?: () => void): AsyncGenerator<Buffer, void, undefined> {
  try {
    for (let i = 0; i < times; i++) {
      given?.();
      yield await Promise.resolve(chunk);
    }
  } finally {
    ended?.();
  }
}

function reversedRange(): Buffer {
  const frame = encodeFrame({ type: 'request', id: 0, blob: BLOB, range: { start: 0, end: 10 } });
  frame.writeBigUInt64BE(11n, frame.length - 16);
  return frame;
}

async function throwsCode(t: ExecutionContext, work: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: LayerswarmError });
  t.is(error?.code, code, error?.message);
}
