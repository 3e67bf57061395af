import { randomBytes } from 'node:crypto';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { DOWNLOAD_LIMITS } from '../../../../src/swarm/exchange/core/limits.ts';
import type { ExchangeTotals } from '../../../../src/swarm/swarm.ts';
import { waitFor } from '../../../support/wait-for.ts';
import { emptySwarm, pull, type ExchangeNode } from '../../../support/exchange-nodes.ts';
import { scene } from '../../../support/exchange-scene.ts';
import { MemoryOrigin } from '../../../support/memory-origin.ts';

for (const [name, size] of [
  ['an empty blob', 0],
  ['one byte', 1],
  ['one piece', 65_536],
  ['one piece and a byte', 65_537],
  ['several extents', 5_000_003],
] as const) {
  test(`a node alone gets ${name} from the origin, once`, async (t) => {
    const { swarm, origin, blob, digest } = scene(t, size);
    const node = await swarm.add(origin);
    t.true(blob.equals(await pull(node, digest, size)));
    t.is(origin.read.get(digest.toString()) ?? 0, size);
  });
}

test('eight nodes that ask at the same moment read each byte from the origin about once', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 12_345_678);
  const nodes = await swarm.addAll(8, origin);
  const got = await Promise.all(nodes.map((node) => pull(node, digest, blob.length)));
  for (const bytes of got) t.deepEqual(Digest.of(bytes), digest);
  t.true(origin.copies(digest) <= 1.1, `${origin.copies(digest)} copies`);
  const totals = nodes.map(({ exchange }) => exchange.totals());
  const sum = (pick: (total: Omit<ExchangeTotals, 'vouchedBytes'>) => number): number =>
    totals.reduce((bytes, total) => bytes + pick(total), 0);
  t.true(sum((total) => total.toPeersBytes) >= sum((total) => total.fromPeersBytes), 'what a node was given, another gave');
  t.is(
    sum((total) => total.fromOriginBytes),
    origin.read.get(digest.toString())!,
  );
});

test('in a crowd that is too large for a mesh pieces are relayed, and leave the origin about once', async (t) => {
  t.timeout(300_000);
  const { swarm, origin, blob, digest } = scene(t, 2_345_678);
  const nodes = await swarm.addAll(DOWNLOAD_LIMITS.meshNeighbours + 4, origin);
  for (const bytes of await Promise.all(nodes.map((node) => pull(node, digest, blob.length)))) t.deepEqual(Digest.of(bytes), digest);
  t.true(origin.copies(digest) <= 1.1, `${origin.copies(digest)} copies`);
});

test('many small blobs in a crowd leave the origin about once each', async (t) => {
  const swarm = emptySwarm(t);
  const origin = new MemoryOrigin();
  const digests = Array.from({ length: 10 }, (_, i) => origin.add(randomBytes(10_000 + i)));
  const nodes = await swarm.addAll(6, origin);
  await Promise.all(nodes.flatMap((node) => digests.map((digest) => pull(node, digest))));
  for (const digest of digests) t.true(origin.copies(digest) <= 1.1, `${origin.copies(digest)} copies`);
});

test('a node that has nothing gets a blob from its peers while the origin is down', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 3_000_000);
  const [first] = await swarm.addAll(3, origin);
  await pull(first!, digest);
  origin.down = true;
  const late = await swarm.add(origin);
  t.true(blob.equals(await pull(late, digest)));
  t.is(origin.read.get(digest.toString()), blob.length);
});

test('a crowd that comes when one node has the blob reads it from there, and does not wait for anything', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 3_000_000);
  const [first, ...crowd] = await swarm.addAll(6, origin);
  await pull(first!, digest);
  for (const bytes of await Promise.all(crowd.map((node) => pull(node, digest)))) t.true(blob.equals(bytes));
  t.is(origin.read.get(digest.toString()), blob.length);
  const waits = crowd.flatMap(({ network }) => network.sent).filter(({ message }) => message.type === 'lease-request').length;
  t.true(waits < 40 * crowd.length, `${waits} requests for leases`);
});

test('of a new piece one member of each other zone hears at once, to fetch it for all there', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 3_000_000);
  const nodes: ExchangeNode[] = [];
  for (let i = 0; i < 9; i++) nodes.push(await swarm.add(origin, { zone: `zone-${i % 3}` }));
  for (const bytes of await Promise.all(nodes.map((node) => pull(node, digest, blob.length)))) t.true(blob.equals(bytes));
  t.true(origin.copies(digest) <= 1.1, `${origin.copies(digest)} copies`);
  const zones = new Map(nodes.map(({ network }) => [network.self, network.zone]));
  const receivers = new Map<string, number>();
  for (const { network } of nodes) {
    for (const { to, message } of network.sent) {
      if (message.type !== 'have' || !message.forZone) continue;
      t.not(zones.get(to), network.zone);
      for (const [first, count] of message.runs) {
        for (let piece = first; piece < first + count; piece++)
          receivers.set(`${piece} ${zones.get(to)}`, (receivers.get(`${piece} ${zones.get(to)}`) ?? 0) + 1);
      }
    }
  }
  t.true(receivers.size > 0);
  t.deepEqual(
    [...receivers].filter(([, count]) => count > 1),
    [],
  );
});

test('nothing is read from the origin while peers that have the blob are about to say so', async (t) => {
  const swarm = emptySwarm(t);
  const origin = new MemoryOrigin();
  // For some of them the one who asks is the coordinator itself.
  const blobs = Array.from({ length: 8 }, () => randomBytes(1_000_000));
  const digests = blobs.map((blob) => origin.add(blob));
  const [first, late] = await swarm.addAll(2, origin);
  for (const digest of digests) await pull(first!, digest);
  swarm.swarm.faults.delayMs = () => 30;
  for (const [i, digest] of digests.entries()) {
    t.true(blobs[i]!.equals(await pull(late!, digest, blobs[i]!.length)));
    t.is(origin.read.get(digest.toString()), blobs[i]!.length);
  }
});

test('a small blob that a peer holds comes in one round trip, without a lane', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 60_000);
  const [first, second] = await swarm.addAll(2, origin);
  await pull(first!, digest, blob.length);
  t.true(blob.equals(await pull(second!, digest, blob.length)));
  t.is(origin.read.get(digest.toString()), blob.length);
  t.false(second!.network.sent.some(({ message }) => message.type === 'lease-request'));
});

test('one of up to a MiB comes whole from one that holds it, without a crowd', async (t) => {
  const swarm = emptySwarm(t);
  const origin = new MemoryOrigin();
  const [holder, node] = await swarm.addAll(2, origin);
  await waitFor('one that did not take too long', async () => {
    const blob = randomBytes(1 << 20);
    const digest = origin.add(blob);
    await pull(holder!, digest, blob.length);
    t.true(blob.equals(await pull(node!, digest, blob.length)));
    t.is(origin.read.get(digest.toString()), blob.length);
    return !node!.network.sent.some(({ message }) => message.type === 'join' && message.holding.blob === digest.toString());
  });
});

test('of two that hold it one sends it', async (t) => {
  const swarm = emptySwarm(t);
  const origin = new MemoryOrigin();
  const [first, second, node] = await swarm.addAll(3, origin);
  const served = new Map<string, number>();
  await waitFor('one that did not take too long', async () => {
    const blob = randomBytes(1 << 20);
    const digest = origin.add(blob);
    for (const holder of [first!, second!]) await pull(holder, digest, blob.length);
    const before = [first!, second!].map(({ exchange }) => exchange.totals().toPeersBytes);
    t.true(blob.equals(await pull(node!, digest, blob.length)));
    [first!, second!].forEach(({ exchange }, i) => served.set(String(i), exchange.totals().toPeersBytes - before[i]!));
    return !node!.network.sent.some(({ message }) => message.type === 'join' && message.holding.blob === digest.toString());
  });
  t.deepEqual(
    [...served.values()].sort((a, b) => a - b),
    [0, 1 << 20],
  );
});

test('a blob that neither the origin nor anybody has is not found', async (t) => {
  const swarm = emptySwarm(t);
  const [node] = await swarm.addAll(2, new MemoryOrigin());
  await t.throwsAsync(pull(node!, Digest.of(Buffer.from('nobody has this'))), { code: 'not-found' });
});

test('with the origin down and nobody who has it, a pull fails soon and says why', async (t) => {
  const swarm = emptySwarm(t);
  const origin = new MemoryOrigin();
  const digest = origin.add(randomBytes(100));
  origin.down = true;
  const [node] = await swarm.addAll(2, origin);
  await t.throwsAsync(pull(node!, digest), { code: 'origin-unreachable' });
});

test('without an origin and without peers a pull fails and says so', async (t) => {
  const swarm = emptySwarm(t);
  const node = await swarm.add(undefined);
  await t.throwsAsync(pull(node, Digest.of(Buffer.from('x')), 1), { code: 'unavailable' });
});

test('a node that dies in the middle does not keep the others from finishing', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 6_000_000);
  let reads = 0;
  const nodes = await swarm.addAll(5, origin);
  const half = Promise.withResolvers<void>();
  origin.chunk = (_digest, _offset, bytes) => {
    if (++reads === 40) half.resolve();
    return bytes;
  };
  const victim = nodes[2]!;
  const pulls = nodes.map((node) =>
    pull(node, digest, blob.length).catch((error: unknown) => (node === victim ? Buffer.alloc(0) : Promise.reject(error as Error))),
  );
  await half.promise;
  await swarm.stop(victim);
  const got = await Promise.all(pulls);
  for (const [i, bytes] of got.entries()) if (nodes[i] !== victim) t.deepEqual(Digest.of(bytes), digest);
});

test('a peer that sends wrong bytes is found, named and banned, and nobody gets them', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 4_000_000);
  const [holder, other, victim] = await swarm.addAll(3, origin);
  await pull(holder!, digest, blob.length);
  await pull(other!, digest, blob.length);
  swarm.swarm.faults.chunk = (from, to, chunk) =>
    from === holder!.network.self && to === victim!.network.self ? Buffer.alloc(chunk.length) : chunk;
  t.true(blob.equals(await pull(victim!, digest, blob.length)));
  t.deepEqual(
    victim!.network.bans().map(({ peerId }) => peerId),
    [holder!.network.self],
  );
  t.true(victim!.exchange.badPieces(holder!.network.self) > 0);
  t.is(victim!.exchange.badPieces(other!.network.self), 0);
});

test('an origin that serves wrong bytes to everybody is reported, and nothing gets a name', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 200_000);
  origin.chunk = (_digest, _offset, bytes) => Buffer.alloc(bytes.length);
  const node = await swarm.add(origin);
  await t.throwsAsync(pull(node, digest, blob.length), { code: 'verification-failed' });
  t.is(node.store.blobs.size(digest), undefined);
});

test('a restarted node fetches only what it had not got', async (t) => {
  const { swarm, origin, blob, digest } = scene(t, 8_000_000);
  const first = await swarm.add(origin);
  const half = Promise.withResolvers<void>();
  let chunks = 0;
  origin.chunk = async (_digest, _offset, bytes) => {
    if (++chunks === 60) {
      half.resolve();
      await new Promise(() => undefined);
    }
    return bytes;
  };
  const fetch = first.exchange.fetch({ digest, size: blob.length, repository: 'test/image' });
  fetch.done().catch(() => undefined);
  await half.promise;
  await swarm.stop(first);
  origin.chunk = undefined;
  const before = origin.read.get(digest.toString())!;
  const again = await swarm.add(origin, { folder: first.folder });
  t.true(blob.equals(await pull(again, digest, blob.length)));
  const after = origin.read.get(digest.toString())! - before;
  t.true(after < blob.length - before / 2, `${after} of ${blob.length} bytes read again after ${before}`);
});
