import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../../../../../src/errors.ts';
import { MAX_NOTE_BYTES } from '../../../../../src/swarm/lane/frame.ts';
import { CollectingTarget, patternBytes, sha256 } from '../../../../support/lane-source.ts';
import { tempDir } from '../../../../support/temp-dir.ts';
import { waitFor } from '../../../../support/wait-for.ts';
import { BLOB, MIB, NEVER, NO_NOTE, throwsCode, type WithPair } from './lane-pair.ts';

/** Ranges that are sent without being asked for. */
export function testPushes(withPair: WithPair): void {
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
}
