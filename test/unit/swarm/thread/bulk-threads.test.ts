import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo } from 'node:net';
import type { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import { Libp2pSwarm } from '../../../support/libp2p-swarm.ts';
import { memoryRegistry } from '../../../support/memory-registry.ts';
import { blobsForThreads } from '../../../support/thread-blobs.ts';
import { once, pullThrough, threadNodes, type ThreadNode } from '../../../support/thread-nodes.ts';
import { connected } from '../../../support/wait-for-peers.ts';
import { waitFor } from '../../../support/wait-for.ts';

async function crowd(t: ExecutionContext, threads: readonly number[], options: { listen?: undefined } = {}): Promise<ThreadNode[]> {
  const nodes = await threadNodes(t, threads.length, (i) => ({ threads: threads[i]!, ...options }));
  for (const { network } of nodes)
    await connected(network, ...nodes.map((other) => other.network.self).filter((peer) => peer !== network.self));
  return nodes;
}

for (const [holds, pulls] of [
  [2, 2],
  [1, 3],
  [3, 1],
  [3, 2],
  [4, 4],
] as const) {
  test(`what a node with ${holds} threads holds comes over TLS to one with ${pulls}`, async (t) => {
    const [holder, member] = await crowd(t, [holds, pulls]);
    const blobs = [...blobsForThreads(holds, 500_000), ...blobsForThreads(pulls, 500_000)];
    const held = await Promise.all(blobs.map(async (blob) => await holder!.store.blobs.write(once(blob))));
    await Promise.all(
      held.map(async ({ digest }, i) => {
        t.true(blobs[i]!.equals(await pullThrough(member!, digest, blobs[i]!.length)));
      }),
    );
    const bytes = blobs.length * 500_000;
    t.is(member!.thread.totals().fromPeersBytes, bytes);
    t.is(member!.thread.transfers().filter(({ state }) => state === 'done').length, blobs.length);
    // More, where one had to be asked for twice.
    await waitFor('what was given to be counted', () => holder!.thread.totals().toPeersBytes >= bytes);
    await waitFor('the bytes of all lanes', () => member!.network.peer(holder!.network.self)!.receivedBytes >= bytes);
    await waitFor('a lane over TLS', () => member!.network.peer(holder!.network.self)!.lane === 'tls');
  });
}

test('nodes without a bulk port have streams from thread to thread', async (t) => {
  const [holder, member] = await crowd(t, [2, 3], { listen: undefined });
  const blobs = [...blobsForThreads(2, 300_000), ...blobsForThreads(3, 300_000)];
  for (const blob of blobs) {
    const { digest } = await holder!.store.blobs.write(once(blob));
    t.true(blob.equals(await pullThrough(member!, digest, blob.length)));
  }
  t.is(member!.thread.totals().fromPeersBytes, blobs.length * 300_000);
});

test('a question about blobs of several threads has one answer, in its order', async (t) => {
  const [holder, member] = await crowd(t, [3, 1]);
  const blobs = [...blobsForThreads(3, 1000), randomBytes(1000)];
  const digests = blobs.map((blob) => Digest.of(blob).toString());
  for (const blob of blobs.slice(0, 3)) await holder!.store.blobs.write(once(blob));
  const { holdings } = await member!.network.request(holder!.network.self, { type: 'find', blobs: digests, inline: false }, 'found');
  t.deepEqual(
    holdings.map(({ blob, state }) => [blob, state]),
    digests.map((blob, i) => [blob, i < 3 ? 'complete' : 'none']),
  );
});

test('a crowd of nodes with different threads shares what it reads from the origin', async (t) => {
  const { content, client } = await memoryRegistry(t);
  const blobs = blobsForThreads(3, 3_000_000);
  const digests = blobs.map((blob) => content.add(blob));
  const threads = [1, 2, 3];
  const nodes = await threadNodes(t, 3, (i) => {
    const origin = client();
    return { threads: threads[i]!, origin: () => origin };
  });
  for (const { network } of nodes)
    await connected(network, ...nodes.map((other) => other.network.self).filter((peer) => peer !== network.self));
  await Promise.all(
    nodes.flatMap((node) =>
      digests.map(async (digest, i) => {
        t.true(blobs[i]!.equals(await pullThrough(node, digest, blobs[i]!.length)));
      }),
    ),
  );
  for (const digest of digests) t.true(content.copies(digest) <= 1.1, `${content.copies(digest)} copies`);
});

test('all threads share one port, which nobody else gets', async (t) => {
  const [node] = await threadNodes(t, 1, () => ({ threads: 3 }));
  const port = node!.thread.port!;
  await new Promise<void>((resolve, reject) => {
    connect(port, '127.0.0.1').on('connect', resolve).on('error', reject).unref();
  });
  const listen = { host: '127.0.0.1', port };
  // Not even another node of the same user that would share it.
  await t.throwsAsync(
    threadNodes(t, 1, () => ({ threads: 3, listen })),
    { code: 'port-taken' },
  );
  await t.throwsAsync(
    threadNodes(t, 1, () => ({ threads: 1, listen })),
    { code: 'port-taken' },
  );
  await node!.thread.close();
  const server = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => {
    server.on('listening', resolve);
  });
  t.is((server.address() as AddressInfo).port, port);
  server.close();
});

test('a peer that asks for a thread that is not there is told so', async (t) => {
  const [node, member] = await crowd(t, [2, 1]);
  await t.throwsAsync(
    member!.network.request(node!.network.self, { type: 'bulk-open', fingerprint: new Uint8Array(32), from: 0, to: 2 }, 'bulk-ticket'),
    { code: 'unsupported' },
  );
});

test.serial('one thread that dies takes its own transfers with it, and comes back to the port', async (t) => {
  const threads: Worker[] = [];
  const onWorker = (worker: Worker): void => {
    threads.push(worker);
  };
  process.on('worker', onWorker);
  t.teardown(() => {
    process.off('worker', onWorker);
  });
  const swarm = new Libp2pSwarm();
  const [holder] = await threadNodes(t, 1, () => ({ threads: 2 }), swarm);
  process.off('worker', onWorker);
  const [member] = await threadNodes(t, 1, () => ({ threads: 2 }), swarm);
  await connected(member!.network, holder!.network.self);
  const blobs = blobsForThreads(2, 400_000);
  const digests = await Promise.all(blobs.map(async (blob) => (await holder!.store.blobs.write(once(blob))).digest));
  await threads[1]!.terminate();
  t.true(blobs[0]!.equals(await pullThrough(member!, digests[0]!, blobs[0]!.length)));
  const bytes = await waitFor(
    'its successor',
    async () => await pullThrough(member!, digests[1]!, blobs[1]!.length).catch(() => undefined),
  );
  t.true(blobs[1]!.equals(bytes));
  t.is(holder!.failures.length, 1);
});
