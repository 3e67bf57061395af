import type { ExecutionContext } from 'ava';
import type { Digest } from '../../src/oci/digest.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import type { LayerswarmError } from '../../src/errors.ts';
import type { Libp2pNetwork } from '../../src/swarm/network/libp2p-network.ts';
import { BulkThreads, type BulkThreadsOptions } from '../../src/swarm/thread/bulk-threads.ts';
import { Libp2pSwarm } from './libp2p-swarm.ts';
import { tempDir } from './temp-dir.ts';

export interface ThreadNode {
  readonly network: Libp2pNetwork;
  readonly store: Store;
  readonly thread: BulkThreads;
  readonly failures: LayerswarmError[];
}

/** The bulk threads of a member, with a bulk port on loopback unless the options say otherwise. */
export async function startThread(network: Libp2pNetwork, store: Store, options: Partial<BulkThreadsOptions> = {}): Promise<BulkThreads> {
  return await BulkThreads.start({
    network,
    streams: network.streams,
    recordedHosts: (peerId) => network.recordedHosts(peerId),
    blobs: store.blobs,
    origin: () => undefined,
    mayShare: () => true,
    peerKey: network.peerKey,
    listen: { host: '127.0.0.1', port: 0 },
    onLanes: (uses) => {
      network.showLanes(uses);
    },
    ...options,
  });
}

/** Members over libp2p on loopback, each with a store and bulk threads of its own. */
export async function threadNodes(
  t: ExecutionContext,
  count: number,
  options: (i: number) => Partial<BulkThreadsOptions> & { threads?: number } = () => ({}),
  swarm = new Libp2pSwarm(),
): Promise<ThreadNode[]> {
  t.teardown(async () => {
    await swarm.stop();
  });
  const nodes: ThreadNode[] = [];
  for (let i = 0; i < count; i++) {
    const { threads = 1, ...others } = options(i);
    const network = await swarm.join({ bulkThreads: threads });
    const store = await openStore(tempDir(t));
    t.teardown(() => store.close());
    const failures: LayerswarmError[] = [];
    const thread = await startThread(network, store, {
      onFailure: (error) => {
        failures.push(error);
      },
      ...others,
    });
    t.teardown(() => thread.close());
    nodes.push({ network, store, thread, failures });
  }
  return nodes;
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** Pulls the blob, and gives the bytes that the store then has under its name. */
export async function pullThrough({ store, thread }: ThreadNode, digest: Digest, size?: number): Promise<Buffer> {
  const fetch = thread.fetch({ digest, repository: 'test/image', ...(size === undefined ? {} : { size }) });
  try {
    await fetch.done();
    const reader = await store.blobs.open(digest);
    try {
      return await reader.read(0, reader.size);
    } finally {
      await reader.close();
    }
  } finally {
    fetch.release();
  }
}
