import type { ExecutionContext } from 'ava';
import { encodeFrame, MAX_DATA_BYTES } from '../../../../../src/swarm/lane/frame.ts';
import { CollectingTarget, patternBytes, TestLaneSource } from '../../../../support/lane-source.ts';
import { waitFor } from '../../../../support/wait-for.ts';
import { BLOB, hugeFile, MIB, NEVER, NO_NOTE, throwsCode, type MakePair, type WithPair } from './lane-pair.ts';

const STALL_MS = 300;

/** How lanes are opened, and how they end. */
export function testLifetime(withPair: WithPair, makePair: MakePair): void {
  withPair(
    'a peer that stays silent is given up after the stall time',
    async (t, pair) => {
      const { a, b } = pair;
      const raw = await pair.rawLaneToA();
      const lane = await waitFor('the lane', () => a.currentLane(b), { interval: 5 });
      const range = { start: 0, end: 10 * MIB };
      const target = new CollectingTarget(range);
      const request = lane.request(BLOB, range, target, NEVER);
      await waitFor('the request', () => raw.received().length > 20, { interval: 5 });
      raw.write(encodeFrame({ type: 'answer', id: 0, note: NO_NOTE }));
      for (let at = 0; at < MIB; at += MAX_DATA_BYTES)
        raw.write(encodeFrame({ type: 'data', id: 0, bytes: patternBytes({ start: at, end: at + MAX_DATA_BYTES }) }));
      await throwsCode(t, request, 'timeout');
      t.is(target.received, MIB);
      // The lane was silent as a whole: the next one is new.
      await raw.closed;
      await waitFor('it to be dropped', () => a.currentLane(b) !== lane);
      await (await a.laneTo(b)).request(BLOB, { start: 0, end: 9 }, new CollectingTarget({ start: 0, end: 9 }), NEVER);
    },
    { stallMs: STALL_MS },
  );

  withPair(
    'a target that takes longer than the stall time is no stall',
    async (t, { a, b }) => {
      const lane = await a.laneTo(b);
      const range = { start: 0, end: 200_000 };
      const target = new CollectingTarget(range);
      const [reached, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      target.gate = async () => {
        reached.resolve();
        await release.promise;
      };
      const request = lane.request(BLOB, range, target, NEVER);
      await reached.promise;
      await otherLaneStalls(t, makePair);
      release.resolve();
      await request;
      t.is(target.received, range.end);
    },
    { stallMs: STALL_MS },
  );

  withPair('a peer that dies half-way ends requests of both sides', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    const range = { start: 0, end: 1024 * MIB };
    const huge = await hugeFile(t);
    for (const { source } of [a, b]) source.onRead = (_, range) => huge.answer(range);
    const target = new CollectingTarget(range);
    const request = lane.request(BLOB, range, target, NEVER);
    const otherTarget = new CollectingTarget(range);
    const other = (await b.laneTo(a)).request(BLOB, range, otherTarget, NEVER);
    await waitFor('both to be under way', () => target.received > MIB && otherTarget.received > MIB, { interval: 1 });
    await Promise.all([throwsCode(t, request, 'peer-gone'), throwsCode(t, other, 'peer-gone'), b.die()]);
    await waitFor('what is left to be let go', () => huge.released() > 0);
    await throwsCode(t, lane.request(BLOB, range, target, NEVER), 'peer-gone');
  });

  withPair('two nodes that open a lane at the same moment have one each, which all callers share', async (t, { a, b }) => {
    const lanes = await Promise.all([a.laneTo(b), b.laneTo(a), a.laneTo(b), b.laneTo(a)]);
    t.is(lanes[0], lanes[2]);
    t.is(lanes[1], lanes[3]);
    await Promise.all(
      lanes.map(
        async (lane) => await lane.request(BLOB, { start: 0, end: 100_000 }, new CollectingTarget({ start: 0, end: 100_000 }), NEVER),
      ),
    );
    t.is(a.currentLane(b), lanes[0]);
    t.is(b.currentLane(a), lanes[1]);
  });

  withPair('closing ends what is under way, and the next lane is a new one', async (t, { a, b }) => {
    const lane = await a.laneTo(b);
    b.source.onRead = async () => await new Promise(() => undefined);
    const request = lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
    await waitFor('the request to arrive', () => b.source.reads.length === 1, { interval: 1 });
    await Promise.all([throwsCode(t, request, 'peer-gone'), lane.close()]);
    await waitFor('the peer to notice', () => !b.use(a).isOpen);
    b.source.onRead = new TestLaneSource().onRead;
    const next = await b.laneTo(a);
    t.not(next, lane);
    await next.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
  });

  withPair(
    'a lane that nobody uses is closed on both sides',
    async (t, { a, b }) => {
      const lane = await a.laneTo(b);
      await lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
      await waitFor('it to be closed', () => a.currentLane(b) === undefined && !b.use(a).isOpen);
      await throwsCode(t, lane.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER), 'peer-gone');
      const next = await a.laneTo(b);
      await next.request(BLOB, { start: 0, end: 10 }, new CollectingTarget({ start: 0, end: 10 }), NEVER);
      t.not(next, lane);
    },
    { idleMs: 100 },
  );
}

/** Resolves after more than the stall time: when a peer of another lane was given up, and then a second one. */
async function otherLaneStalls(t: ExecutionContext, makePair: MakePair): Promise<void> {
  const other = await makePair({ stallMs: STALL_MS });
  try {
    other.b.source.onRead = async () => await new Promise(() => undefined);
    const ask = async (): Promise<unknown> =>
      await (await other.a.laneTo(other.b)).request(BLOB, { start: 0, end: 1 }, new CollectingTarget({ start: 0, end: 1 }), NEVER);
    await throwsCode(t, ask(), 'timeout');
    await throwsCode(t, ask(), 'timeout');
  } finally {
    await other.stop();
  }
}
