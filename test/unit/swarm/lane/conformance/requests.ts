import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../../../../../src/errors.ts';
import type { Lane, LaneAnswer } from '../../../../../src/swarm/lane/lane.ts';
import { fileAnswer } from '../../../../support/file-answer.ts';
import { CollectingTarget, patternBytes, patternDigest, sha256, TestLaneSource } from '../../../../support/lane-source.ts';
import { tempDir } from '../../../../support/temp-dir.ts';
import { waitFor } from '../../../../support/wait-for.ts';
import { BLOB, hugeFile, MIB, NEVER, NO_NOTE, throwsCode, type WithPair } from './lane-pair.ts';

/** Ranges that are asked for. */
export function testRequests(withPair: WithPair): void {
  withPair('ranges of every size arrive in order with their note', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    for (const [start, length] of [
      [0, 0],
      [5, 0],
      [0, 1],
      [7, 65_535],
      [0, 65_536],
      [1, 65_537],
      [123_456, 3 * MIB + 1],
      [2 ** 33, 200_000],
    ] as const) {
      const range = { start, end: start + length };
      const target = new CollectingTarget(range);
      const note = await lane.request(BLOB, range, target, NEVER);
      t.is(Buffer.from(note).toString(), 'pattern');
      t.is(target.received, length);
      t.is(target.digest(), sha256(patternBytes(range)), `${length} bytes from ${start}`);
    }
    t.is(b.source.reads[0]!.peerId, a.peerId);
  });

  withPair('many requests run at once, both ways, on one lane each', async (t, { a, b }) => {
    const [there, back] = [await a.laneTo(b), await b.laneTo(a)];
    const ask = async (lane: Lane, i: number): Promise<void> => {
      const range = { start: i * 1000, end: i * 1000 + 150_000 + i };
      const target = new CollectingTarget(range);
      await lane.request(BLOB, range, target, NEVER);
      t.is(target.digest(), sha256(patternBytes(range)));
    };
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        await ask(i % 2 === 0 ? there : back, i);
      }),
    );
    t.is(await a.laneTo(b), there);
    await waitFor('the bytes to be counted', () => there.receivedBytes > 30 * 150_000 && back.receivedBytes > 30 * 150_000);
  });

  withPair('256 MiB pass through with the right digest', async (t, { a, b }) => {
    const range = { start: 0, end: 256 * MIB };
    // One in a file, again and again: the lane is under test here, not what makes the bytes.
    const bytes = Buffer.concat(Array.from({ length: 256 }, () => patternBytes({ start: 0, end: MIB })));
    const path = join(tempDir(t, 'lane'), 'blob');
    await writeFile(path, bytes);
    b.source.onRead = () => fileAnswer(path, range);
    const target = new CollectingTarget(range);
    await (await a.laneTo(b)).request(BLOB, range, target, NEVER);
    t.is(target.digest(), sha256(bytes));
  });

  withPair('a small range overtakes a large one', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const large = { start: 0, end: 1024 * MIB };
    const huge = await hugeFile(t);
    b.source.onRead = (_, range) => huge.answer(range);
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
    const path = join(tempDir(t, 'lane'), 'short');
    await writeFile(path, patternBytes({ start: 0, end: 100_000 }));
    const answers: LaneAnswer[] = [
      fileAnswer(path, range),
      { bytes: patternBytes({ start: 0, end: 100_000 }), note: NO_NOTE },
      { bytes: patternBytes({ start: 0, end: 400_000 }), note: NO_NOTE },
    ];
    for (const answer of answers) {
      b.source.onRead = () => answer;
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
    b.source.onRead = (_, range) =>
      fileAnswer(path, range, Buffer.from('file'), () => {
        closed += 1;
      });
    const lane = await a.laneTo(b);
    for (const range of [
      { start: 0, end: bytes.length },
      { start: 1000, end: 1001 },
      { start: 77, end: 2 * MIB + 77 },
    ]) {
      const target = new CollectingTarget(range);
      t.is(Buffer.from(await lane.request(BLOB, range, target, NEVER)).toString(), 'file');
      t.is(target.digest(), sha256(bytes.subarray(range.start, range.end)));
    }
    await throwsCode(
      t,
      lane.request(BLOB, { start: 0, end: bytes.length + 1 }, new CollectingTarget({ start: 0, end: bytes.length + 1 }), NEVER),
      'unavailable',
    );
    b.source.onRead = (_, range) =>
      fileAnswer(join(dir, 'missing'), range, NO_NOTE, () => {
        closed += 1;
      });
    await throwsCode(t, lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER), 'unavailable');
    await waitFor('the files to be let go', () => closed === 5);
    t.pass();
  });

  withPair('an aborted request writes nothing more, ends the source, and leaves the lane usable', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 1024 * MIB };
    const huge = await hugeFile(t);
    b.source.onRead = (_, range) => huge.answer(range);
    const controller = new AbortController();
    const target = new CollectingTarget(range);
    const request = lane.request(BLOB, range, target, controller.signal);
    await waitFor('some bytes', () => target.received > MIB, { interval: 1 });
    controller.abort();
    await throwsCode(t, request, 'aborted');
    const { received, writes } = target;
    await waitFor('the source to be let go', () => huge.released() === 1);
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
    await Promise.all([throwsCode(t, lane.request(BLOB, range, failing, NEVER), 'disk-full'), lane.request(BLOB, range, other, NEVER)]);
    t.is(calls, 3);
    t.is(other.digest(), await patternDigest(range));
  });

  withPair('a target that writes at once, without a promise, is served too', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const parts: Buffer[] = [];
    await lane.request(
      BLOB,
      { start: 10, end: 500_000 },
      {
        write: (_, chunk) => {
          parts.push(Buffer.from(chunk));
        },
      },
      NEVER,
    );
    t.is(sha256(Buffer.concat(parts)), sha256(patternBytes({ start: 10, end: 500_000 })));
  });

  withPair('a slow reader stops the sender within bounded memory', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 256 * MIB };
    const huge = await hugeFile(t);
    b.source.onRead = (_, range) => huge.answer(range);
    const target = new CollectingTarget(range);
    const release = Promise.withResolvers<void>();
    target.gate = async () => {
      await release.promise;
    };
    const request = lane.request(BLOB, range, target, NEVER);
    let last = -1;
    await waitFor(
      'the sender to stop',
      () => {
        const { sentBytes } = b.use(a);
        const still = sentBytes > MIB / 10 && sentBytes === last;
        last = sentBytes;
        return still;
      },
      { interval: 500 },
    );
    t.is(target.received, 0);
    t.true(last <= 24 * MIB, `${last} bytes were sent although nothing was taken`);
    release.resolve();
    await request;
    t.is(target.received, range.end);
    await waitFor('the source to be let go', () => huge.released() === 1);
  });
}
