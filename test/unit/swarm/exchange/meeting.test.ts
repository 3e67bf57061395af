import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { openStore } from '../../../../src/store/store.ts';
import { Bitfield, piecesOf } from '../../../../src/swarm/exchange/core/bitfield.ts';
import { MemberDistance } from '../../../../src/swarm/exchange/core/distance.ts';
import type { ExchangeStore } from '../../../../src/swarm/exchange/exchange-store.ts';
import { PeerKey } from '../../../../src/swarm/network/peer-key.ts';
import { ExchangeSwarm, pull, type ExchangeNode } from '../../../support/exchange-nodes.ts';
import { exchangeStore } from '../../../support/exchange-store.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { waitFor } from '../../../support/wait-for.ts';

function swarmFor(t: ExecutionContext): ExchangeSwarm {
  const swarm = new ExchangeSwarm();
  t.teardown(() => swarm.close());
  return swarm;
}

/** Seeds of so many nodes, the one that is closest to the blob last. */
function byDistance(blob: Digest, count: number): number[] {
  const seeds = Array.from({ length: count }, (_, seed) => seed);
  const peerIds = seeds.map((seed) => PeerKey.fromSeed(Buffer.alloc(32, `seed ${seed} `)).peerId);
  const distance = new MemberDistance();
  const ranked: number[] = [];
  while (ranked.length < count) {
    const left = peerIds.filter((_, seed) => !ranked.includes(seed));
    ranked.unshift(peerIds.indexOf(distance.closest(blob, left)));
  }
  return ranked;
}

test('two exchange pieces although one looks into its store for the other as it begins to fetch itself', async (t) => {
  const swarm = swarmFor(t);
  const origin = new MemoryOrigin();
  const blob = randomBytes(6_000_000);
  const digest = origin.add(blob);
  const asked = Promise.withResolvers<void>();
  const looked = Promise.withResolvers<void>();
  origin.chunk = async (_digest, _offset, bytes) => {
    await looked.promise;
    return bytes;
  };
  const early = await swarm.add(origin);
  const store = await openStore(tempDir(t, 'store'));
  let looks = 0;
  const slow: ExchangeStore = {
    ...exchangeStore(store.blobs),
    size: async (wanted) => {
      // the first is for the other node
      if (looks++ > 0) return store.blobs.size(wanted);
      asked.resolve();
      await looked.promise;
      return undefined;
    },
  };
  const late = await swarm.add(origin, { store: slow });
  const pulled = pull(early, digest, blob.length);
  await asked.promise;
  const fetch = late.exchange.fetch({ digest, repository: 'test/image', size: blob.length });
  await waitFor('the late one to ask, too', () => late.network.sent.some(({ message }) => message.type === 'join'));
  await waitFor('its question to be answered', () => early.network.sent.some(({ message }) => message.type === 'joined'));
  looked.resolve();
  t.true(blob.equals(await pulled));
  await fetch.done();
  fetch.release();
  t.true(origin.copies(digest) <= 1.1, `${origin.copies(digest)} copies`);
});

test('whoever answers late hears of the pieces that came meanwhile', async (t) => {
  const swarm = swarmFor(t);
  const PIECES = 12;
  const blob = randomBytes(PIECES * 65_536);
  const released = Promise.withResolvers<void>();
  const originThatGives = (pieces: number): MemoryOrigin => {
    const origin = new MemoryOrigin();
    origin.add(blob);
    let given = 0;
    origin.chunk = async (_digest, _offset, bytes) => {
      if (++given > pieces) await released.promise;
      return bytes;
    };
    return origin;
  };
  const digest = Digest.of(blob);
  const slow = await swarm.add(originThatGives(0));
  const reader = await swarm.add(originThatGives(2));
  swarm.swarm.disconnect(slow.network, reader.network);
  const between = await swarm.add(originThatGives(0));
  const pulls = [slow, reader].map((node) => pull(node, digest, blob.length));
  await waitFor('pieces to be read', () => reader.exchange.totals().fromOriginBytes >= 2 * 65_536);
  swarm.swarm.faults.delayMs = (from) => (from === slow.network.self ? 500 : 0);
  pulls.push(pull(between, digest, blob.length));
  await waitFor('them to be passed on', () => between.exchange.totals().fromPeersBytes >= 2 * 65_536);
  await waitFor('the slow one to be told of them', () => {
    const told = new Set<number>();
    for (const { to, message } of between.network.sent) {
      if (to !== slow.network.self) continue;
      // in news, or in a question or answer where that is late itself
      const runs =
        message.type === 'have'
          ? message.runs
          : (message.type === 'join' || message.type === 'joined') && message.holding.bits !== undefined
            ? Bitfield.fromBytes(message.holding.bits, PIECES).runs()
            : [];
      for (const piece of piecesOf(runs, PIECES)) told.add(piece);
    }
    return told.size >= 2;
  });
  released.resolve();
  for (const bytes of await Promise.all(pulls)) t.true(blob.equals(bytes));
});

test('a member whose map of pieces does not fit the blob is believed nothing, and ends no pull', async (t) => {
  const swarm = swarmFor(t);
  const origin = new MemoryOrigin();
  const blob = randomBytes(6 * 65_536);
  const digest = origin.add(blob);
  const [node, liar] = (await swarm.addAll(2, origin)) as [ExchangeNode, ExchangeNode];
  const holding = { blob: digest.toString(), state: 'partial', size: blob.length, pieceLength: 65_536, bits: new Uint8Array(7) } as const;
  let asked = false;
  liar.network.override('join', () => {
    asked = true;
    return { type: 'joined', holding, wants: true };
  });
  t.true(blob.equals(await pull(node, digest)), 'before its size is known');
  t.true(asked);
});

test('one that comes later and is closest to the blob reads nothing again that others have', async (t) => {
  const swarm = swarmFor(t);
  const origin = new MemoryOrigin();
  const blob = randomBytes(200 * 65_536);
  const digest = origin.add(blob);
  origin.chunk = async (_digest, _offset, bytes) => {
    await delay(20);
    return bytes;
  };
  // by distance, the closest last
  const seeds = byDistance(digest, 4);
  const nodes: ExchangeNode[] = [];
  for (const seed of seeds.slice(0, 3)) nodes.push(await swarm.add(origin, { seed }));
  const pulls = nodes.map((node) => pull(node, digest, blob.length));
  await waitFor('half of it to be read', () => origin.copies(digest) >= 0.5);
  pulls.push(pull(await swarm.add(origin, { seed: seeds[3]! }), digest, blob.length));
  for (const bytes of await Promise.all(pulls)) t.true(blob.equals(bytes));
  t.true(origin.copies(digest) <= 1.05, `${origin.copies(digest)} copies`);
  t.log(origin.copies(digest));
});
