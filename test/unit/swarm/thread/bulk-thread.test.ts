import { randomBytes } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import test from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { encodeFrame } from '../../../../src/swarm/lane/frame.ts';
import { laneProtocol } from '../../../../src/swarm/network/member-streams.ts';
import { Libp2pSwarm } from '../../../support/libp2p-swarm.ts';
import { memoryRegistry } from '../../../support/memory-registry.ts';
import { framed, HELLO, RawPeer } from '../../../support/raw-peer.ts';
import { once, pullThrough, threadNodes } from '../../../support/thread-nodes.ts';
import { connected } from '../../../support/wait-for-peers.ts';
import { waitFor } from '../../../support/wait-for.ts';

test('a blob comes from a member over TLS, or over a stream where one has no bulk port', async (t) => {
  const [holder, tls, plain] = await threadNodes(t, 3, (i) => (i === 2 ? { listen: undefined } : {}));
  await Promise.all([connected(tls!.network, holder!.network.self), connected(plain!.network, holder!.network.self)]);
  const blob = randomBytes(3_000_000);
  const { digest } = await holder!.store.blobs.write(once(blob));
  for (const [node, kind] of [
    [tls!, 'tls'],
    [plain!, 'stream'],
  ] as const) {
    t.true(blob.equals(await pullThrough(node, digest, blob.length)));
    await waitFor('the lane in the status', () => node.network.peer(holder!.network.self)!.lane === kind);
    await waitFor(
      'the bytes to be counted',
      () => node.network.peers().reduce((sum, { receivedBytes }) => sum + receivedBytes, 0) >= blob.length,
    );
    t.is(node.thread.totals().fromPeersBytes, blob.length);
    t.is(node.thread.totals().verifiedPieces, Math.ceil(blob.length / 65_536));
    t.deepEqual(node.thread.activity(), { leases: 0, reads: 0, sending: 0, waiting: 0, coordinated: 0, bulkStrangers: 0 });
    const [transfer] = node.thread.transfers();
    t.is(transfer?.state, 'done');
    t.is(
      [...transfer!.fromPeers.values()].reduce((sum, bytes) => sum + bytes, 0),
      blob.length,
    );
  }
  await waitFor(
    'what was given to be counted',
    () => holder!.thread.totals().toPeersBytes + tls!.thread.totals().toPeersBytes >= 2 * blob.length,
  );
});

test('a member that says rubbish on a lane is cut, and the invalid message counted', async (t) => {
  const swarm = new Libp2pSwarm();
  const [node] = await threadNodes(t, 1, undefined, swarm);
  const peer = await RawPeer.connect(node!.network, [swarm.key]);
  t.teardown(async () => {
    await peer.stop();
  });
  (await peer.open()).send(framed({ kind: 'note', id: 0, message: HELLO }));
  await connected(node!.network, peer.peerId);
  const lane = await peer.connection.newStream(laneProtocol(0, 0));
  lane.send(encodeFrame({ type: 'note', id: 0, word: Buffer.from('rubbish') }));
  await peer.cut;
  t.is(node!.network.counts().invalidMessages, 1);
});

test('what a member has read can be evicted as soon as nobody reads it', async (t) => {
  const [holder, member] = await threadNodes(t, 2);
  await connected(member!.network, holder!.network.self);
  const blob = randomBytes(300_000);
  const { digest } = await holder!.store.blobs.write(once(blob));
  await pullThrough(member!, digest, blob.length);
  await holder!.thread.closeIdle();
  const { removed } = await holder!.store.gc({ targetBytes: 0 });
  t.deepEqual(
    removed.map((each) => each.digest.toString()),
    [digest.toString()],
  );
});

test('a crowd shares what it reads from the origin, and its clients get proven bytes', async (t) => {
  const { content, client } = await memoryRegistry(t);
  const blob = randomBytes(6_000_000);
  const digest = content.add(blob);
  const nodes = await threadNodes(t, 3, () => {
    const origin = client();
    return { origin: () => origin };
  });
  for (const { network } of nodes)
    await connected(network, ...nodes.map((other) => other.network.self).filter((peer) => peer !== network.self));
  await Promise.all(
    nodes.map(async ({ thread }) => {
      const fetch = thread.fetch({ digest, repository: 'test/image', size: blob.length });
      t.is(await fetch.size(), blob.length);
      const chunks = await Array.fromAsync(fetch.read(10, blob.length - 10, AbortSignal.timeout(60_000)));
      t.true(Buffer.concat(chunks).equals(blob.subarray(10, blob.length - 10)));
      t.is(fetch.progress().state, 'done');
      fetch.release();
    }),
  );
  t.true(content.copies(digest) <= 1.1, `${content.copies(digest)} copies`);
});

test('what nobody has is said so, and what it had begun on is kept for the next', async (t) => {
  const [node] = await threadNodes(t, 1);
  const fetch = node!.thread.fetch({ digest: Digest.of(Buffer.from('nowhere')), repository: 'test/image', sources: 'peers' });
  await t.throwsAsync(fetch.done(), { code: 'not-found' });
  t.is(fetch.progress().state, 'failed');
  fetch.release();
});

test.serial('a thread that dies fails its transfers, and another takes its place', async (t) => {
  const { content, client } = await memoryRegistry(t);
  const origin = client();
  const blob = randomBytes(4_000_000);
  const digest = content.add(blob);
  const threads: Worker[] = [];
  const onWorker = (worker: Worker): void => {
    threads.push(worker);
  };
  process.on('worker', onWorker);
  t.teardown(() => {
    process.off('worker', onWorker);
  });
  const [node] = await threadNodes(t, 1, () => ({ origin: () => origin }));
  const stuck = Promise.withResolvers<undefined>();
  content.chunk = async (_digest, offset, bytes) => {
    if (offset > 1_000_000) await stuck.promise;
    return bytes;
  };
  const fetch = node!.thread.fetch({ digest, repository: 'test/image', size: blob.length });
  await waitFor('some bytes', () => fetch.progress().haveBytes > 0);
  await threads.at(-1)!.terminate();
  await t.throwsAsync(fetch.done(), { code: 'unavailable' });
  fetch.release();
  stuck.resolve(undefined);
  const bytes = await waitFor('its successor', async () => await pullThrough(node!, digest, blob.length).catch(() => undefined));
  t.true(blob.equals(bytes));
  t.is(node!.failures.length, 1);
});
