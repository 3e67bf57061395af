import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { ExchangeFetch } from '../../../../src/swarm/exchange/exchange.ts';
import type { LaneSource } from '../../../../src/swarm/lane/lane.ts';
import { type ExchangeNode, ExchangeSwarm, pull } from '../../../support/exchange-nodes.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';

// A client that checks parts of a blob by itself waits for some in the middle. Everything else is held up, so that only what is asked
// for out of turn can come.

const PIECE = 65_536;
const blob = randomBytes(40 * PIECE + 100);
const wanted = 30 * PIECE;

interface World {
  readonly swarm: ExchangeSwarm;
  readonly origin: MemoryOrigin;
  readonly release: () => void;
  readonly held: Promise<void>;
}

function world(t: ExecutionContext): World {
  const swarm = new ExchangeSwarm();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  t.teardown(async () => {
    release();
    await swarm.close();
  });
  return { swarm, origin: new MemoryOrigin(), held, release };
}

/** From now on the node gives nothing but the pieces from `wanted` on before it is released. */
function holdUp({ network }: ExchangeNode, held: Promise<void>): void {
  const source = network.source!;
  const held_: LaneSource = {
    read: async (peerId, digest, range) => {
      if (range.start < wanted) await held;
      return await source.read(peerId, digest, range);
    },
  };
  network.setLaneSource(held_);
}

test('a member that holds the blob gives a piece in the middle at once, vouched for, and the origin nothing', async (t) => {
  const { swarm, origin, held, release } = world(t);
  const digest = origin.add(blob);
  const holder = await swarm.add(origin);
  await pull(holder, digest, blob.length);
  const read = origin.copies(digest);
  holdUp(holder, held);
  const late = await swarm.add(origin);
  const fetch = late.exchange.fetch({ digest, repository: 'test/image', size: blob.length });
  t.deepEqual(await fetch.vouchedPiece(wanted + 10, { end: wanted + 1000, isPatient: false }), blob.subarray(wanted + 10, wanted + PIECE));
  t.deepEqual(await fetch.vouchedPiece(blob.length - 51, { end: blob.length, isPatient: false }), blob.subarray(-51));
  t.is(await fetch.vouchedPiece(0), undefined, 'not what is in front of it');
  release();
  await fetch.done();
  t.is(origin.copies(digest), read);
  t.is(late.exchange.totals().fromPeersBytes, blob.length, 'each byte came once');
  fetch.release();
});

test('a member that is fetching gives what it has, with the statement of whoever read it', async (t) => {
  const { swarm, origin, held, release } = world(t);
  const digest = origin.add(blob);
  origin.chunk = async (_, offset, bytes) => {
    if (offset < wanted) await held;
    return bytes;
  };
  const [one, other] = await swarm.addAll(2, origin);
  const begin = ({ exchange }: ExchangeNode): ExchangeFetch => exchange.fetch({ digest, repository: 'test/image', size: blob.length });
  const first = begin(one!);
  t.deepEqual(await first.vouchedPiece(wanted, { end: wanted + PIECE, isPatient: false }), blob.subarray(wanted, wanted + PIECE));
  const second = begin(other!);
  t.deepEqual(await second.vouchedPiece(wanted, { end: wanted + PIECE, isPatient: false }), blob.subarray(wanted, wanted + PIECE));
  t.is(origin.read.get(digest.toString()), PIECE);
  release();
  await Promise.all([first.done(), second.done()]);
  t.true(origin.copies(digest) <= 1.1, `${origin.copies(digest)} copies`);
  for (const fetch of [first, second]) fetch.release();
});

test('whole pieces that nobody has are read from the origin first, and not again', async (t) => {
  const { swarm, origin, held, release } = world(t);
  const digest = origin.add(blob);
  origin.chunk = async (_, offset, bytes) => {
    if (offset < wanted) await held;
    return bytes;
  };
  const node = await swarm.add(origin);
  const fetch = node.exchange.fetch({ digest, repository: 'test/image', size: blob.length });
  for (let at = wanted; at < blob.length; at += PIECE)
    t.deepEqual(await fetch.vouchedPiece(at, { end: blob.length, isPatient: false }), blob.subarray(at, at + PIECE));
  t.is(origin.read.get(digest.toString()), blob.length - wanted);
  t.is(await fetch.vouchedPiece(10, { end: 100, isPatient: false }), undefined, 'what is less than a piece has to be read elsewhere');
  release();
  await fetch.done();
  t.is(origin.copies(digest), 1);
  fetch.release();
});

test('what a member sends and does not stand by is not passed on, and counted against it', async (t) => {
  const { swarm, origin, held, release } = world(t);
  const digest = origin.add(blob);
  const holder = await swarm.add(origin);
  await pull(holder, digest, blob.length);
  holdUp(holder, held);
  const late = await swarm.add(origin);
  swarm.swarm.faults.chunk = (_from, _to, chunk) => Buffer.from(chunk).fill(1);
  const fetch = late.exchange.fetch({ digest, repository: 'test/image', size: blob.length });
  t.deepEqual(await fetch.vouchedPiece(wanted, { end: wanted + PIECE, isPatient: false }), blob.subarray(wanted, wanted + PIECE));
  t.is(late.exchange.badPieces(holder.network.self), 1);
  release();
  await fetch.done();
  fetch.release();
});
