import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { Bitfield, piecesOf, type Run } from '../../../../src/swarm/exchange/core/bitfield.ts';
import { PieceLayout } from '../../../../src/swarm/exchange/core/piece-layout.ts';
import { CountedHandlers } from '../../../../src/swarm/exchange/counted-handlers.ts';
import { MessageHandlers } from '../../../../src/swarm/network/handlers.ts';
import type { Peer } from '../../../../src/swarm/network/network.ts';
import { PeerWork } from '../../../../src/swarm/exchange/peer-work.ts';
import { SharedDebts } from '../../../../src/swarm/shared-debts.ts';
import type { MessageOf } from '../../../../src/swarm/protocol/message.ts';
import { ExchangeSwarm, pull } from '../../../support/exchange-nodes.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';
import { waitFor } from '../../../support/wait-for.ts';

function leaseRequest(pieces = 16_384): MessageOf<'lease-request'> {
  const layout = new PieceLayout(pieces * 65_536, 65_536);
  return {
    type: 'lease-request',
    blob: Digest.of(randomBytes(32)).toString(),
    size: layout.size,
    pieceLength: layout.pieceLength,
    bits: Uint8Array.from(new Bitfield(layout.pieceCount).toBytes()),
    active: [],
    pieces: 1,
    insists: true,
  };
}

test('who asks for leases of ever new blobs is served later, then cut, and counted; memory does not grow with what it asks', async (t) => {
  const swarm = new ExchangeSwarm();
  t.teardown(() => swarm.close());
  const [victim, flooder] = await swarm.addAll(2, undefined);
  const before = process.memoryUsage().arrayBuffers;
  let sent = 0;
  const isCut = (): boolean => victim!.network.bans().some(({ peerId }) => peerId === flooder!.network.self);
  while (!isCut() && sent < 16_384) {
    flooder!.network.send(victim!.network.self, leaseRequest());
    sent++;
    await setImmediate();
  }
  await waitFor('the flooder to be cut', isCut, { interval: 5 });
  t.is(victim!.exchange.peersOverShare, 1);
  t.true(sent < 16_384);
  t.true(process.memoryUsage().arrayBuffers - before < 200 << 20, `${(process.memoryUsage().arrayBuffers - before) >> 20} MiB more`);
});

test('who asks for ranges of what is not here, without an end, is answered later, then cut', async (t) => {
  const swarm = new ExchangeSwarm();
  t.teardown(() => swarm.close());
  // On a slow machine nothing is paid off meanwhile either.
  const now = Date.now();
  const victim = await swarm.add(undefined, { now: () => now });
  const flooder = await swarm.swarm.join();
  const isCut = (): boolean => victim.network.bans().some(({ peerId }) => peerId === flooder.self);
  const lane = await flooder.lane(victim.network.self, Digest.of(randomBytes(32)));
  const enough = new AbortController();
  let asked = 0;
  while (!isCut() && asked < 20_000) {
    const asks = Array.from({ length: 500 }, async () => {
      await lane
        .request(Digest.of(randomBytes(32)), { start: 0, end: 1 }, { write: () => undefined }, enough.signal)
        .catch(() => undefined);
    });
    asked += asks.length;
    // Nobody waits for those that are answered later.
    await Promise.race([Promise.all(asks), nextTurns(50)]);
  }
  enough.abort();
  t.true(isCut());
  t.is(victim.exchange.peersOverShare, 1);
});

async function nextTurns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await setImmediate();
}

test('a crowd of many blobs at once keeps every member far within its share', async (t) => {
  const swarm = new ExchangeSwarm();
  t.teardown(() => swarm.close());
  const origin = new MemoryOrigin();
  const nodes = await swarm.addAll(4, origin);
  const blobs = Array.from({ length: 30 }, () => randomBytes(400_000));
  await Promise.all(
    blobs.map(async (blob) => {
      const digest = origin.add(blob);
      await Promise.all(nodes.map((node) => pull(node, digest, blob.length)));
    }),
  );
  for (const node of nodes) {
    t.is(node.exchange.peersOverShare, 0);
    t.deepEqual(node.network.bans(), []);
  }
});

test('what a peer makes this node do is waited for in its order, and is forgotten with time', (t) => {
  let now = 0;
  const cut: string[] = [];
  const work = new PeerWork({
    now: () => now,
    cut: (peerId) => {
      cut.push(peerId);
    },
  });
  t.is(work.take('a', 1000), 0);
  const waits = Array.from({ length: 20 }, () => work.take('a', 20));
  t.deepEqual(
    waits,
    waits.toSorted((a, b) => a - b),
  );
  t.is(waits.at(-1), 4000);
  t.is(work.take('b', 20), 0);
  now += 5000;
  t.is(work.take('a', 20), 0);
  t.deepEqual(cut, []);
  work.take('a', 1000);
  t.deepEqual(cut, ['a']);
  t.is(work.cuts, 1);
});

test('who keeps to what is read of it, and is over its share all the time, is cut as well, and refused for longer each time', (t) => {
  let now = 0;
  const cut: [string, number][] = [];
  const work = new PeerWork({ now: () => now, cut: (peerId, until) => cut.push([peerId, until - now]) });
  while (cut.length < 9) {
    const waitMs = work.take('flooder', 1);
    t.true(waitMs <= 3000);
    if (waitMs > 2000) now += 10;
  }
  t.deepEqual(
    cut,
    [1, 2, 4, 8, 16, 32, 64, 64, 64].map((minutes) => ['flooder', minutes * 60_000]),
  );
  for (let second = 0; second < 600; second++) {
    for (let i = 0; i < 99; i++) work.take('busy', 1);
    now += 1000;
  }
  t.is(cut.length, 9);
});

test('who is over its share now and then is not taken for one that is all the time', (t) => {
  let now = 0;
  const cut: string[] = [];
  const debts = new SharedDebts();
  const [thread, other] = [debts, new SharedDebts(debts.memory)].map(
    (each) => new PeerWork({ now: () => now, debts: each, cut: (peerId) => cut.push(peerId) }),
  );
  for (let times = 0; times < 5; times++) {
    other!.take('busy', 1000);
    t.true(thread!.take('busy', 20) > 0);
    now += 40_000;
  }
  t.deepEqual(cut, []);
});

test('where the cores are busy a peer waits for what its messages took, in their order, and is not cut for that', async (t) => {
  const cut: string[] = [];
  let [now, clock] = [0, 0];
  const work = new PeerWork({ now: () => now, cut: (peerId) => cut.push(peerId) });
  const network = new MessageHandlers();
  const { handle } = new CountedHandlers({ handle: (type, handler) => network.set(type, handler) }, work, () => clock);
  const handled: string[] = [];
  handle(
    'get-list',
    () => 0.1,
    ({ blob }) => {
      handled.push(blob);
      clock += 20;
      return { type: 'ok' };
    },
  );
  const ask = (peerId: string, blob: string): unknown => network.handle({ type: 'get-list', blob }, { peerId } as Peer);
  const asked = Array.from({ length: 60 }, (_, i) => String(i));
  for (const blob of asked) ask('flooder', blob);
  const atOnce = handled.length;
  t.true(atOnce > 50 && atOnce < 55, `${atOnce} of 20 ms each, of a second`);
  t.true(ask('other', 'its own') instanceof Object);
  t.is(handled.at(-1), 'its own');
  handled.pop();
  for (let rounds = 1; rounds <= asked.length - atOnce; rounds++) {
    now += 200;
    await waitFor('the next one', () => handled.length === atOnce + rounds, { interval: 1 });
  }
  t.deepEqual(handled, asked);
  for (let i = 0; i < 1000; i++) work.took('flooder', 20);
  t.is(work.slowedFor('flooder'), 2000);
  t.deepEqual(cut, []);
});

test('the share of a peer is one over all threads', (t) => {
  const cut: string[] = [];
  const debts = new SharedDebts();
  const threads = [debts, new SharedDebts(debts.memory)].map(
    (each) =>
      new PeerWork({
        now: () => 0,
        debts: each,
        cut: (peerId) => {
          cut.push(peerId);
        },
      }),
  );
  t.is(threads[0]!.take('a', 600), 0);
  t.is(threads[1]!.take('a', 600), 2000);
  t.is(threads[1]!.take('b', 600), 0);
  threads[0]!.take('a', 400);
  t.deepEqual(cut, ['a']);
});

test('runs that overlap make no more work than those that do not', (t) => {
  const runs = Array.from({ length: 4096 }, (): Run => [0, 16_384]);
  t.is([...piecesOf(runs, 16_384)].length, 16_384);
  t.deepEqual(
    [
      ...piecesOf(
        [
          [1, 2],
          [2, 3],
          [9, 5],
          [40, 1],
        ],
        12,
      ),
    ],
    [1, 2, 2, 3, 4, 9, 10, 11],
  );
  t.deepEqual(
    [
      ...piecesOf(
        [
          [16_384, 0],
          [5, 16_384],
        ],
        8,
      ),
    ],
    [5, 6, 7],
  );
});
