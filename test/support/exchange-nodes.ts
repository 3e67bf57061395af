import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '../../src/oci/digest.ts';
import type { Origin } from '../../src/origin/origin.ts';
import { openStore } from '../../src/store/store.ts';
import { Exchange, type ExchangeOptions } from '../../src/swarm/exchange/exchange.ts';
import type { Cleanup } from './cleanup.ts';
import { exchangeStore } from './exchange-store.ts';
import { MemorySwarm, type MemoryNetwork } from './memory-network.ts';

type Store = Awaited<ReturnType<typeof openStore>>;

/** One member: a real store and exchange over a network in memory. */
export interface ExchangeNode {
  readonly network: MemoryNetwork;
  readonly store: Store;
  readonly exchange: Exchange;
  readonly folder: string;
}

/** A swarm of exchanges in this process, cleaned up by `close`. */
export class ExchangeSwarm {
  readonly swarm = new MemorySwarm();
  readonly nodes: ExchangeNode[] = [];
  /** Also of nodes that were stopped. */
  readonly #folders = new Set<string>();

  async add(
    origin: Origin | undefined,
    options: Partial<ExchangeOptions> & { folder?: string; seed?: number } = {},
  ): Promise<ExchangeNode> {
    const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'layerswarm-exchange-')));
    this.#folders.add(folder);
    const network = await this.swarm.join({
      connect: false,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(options.zone === undefined ? {} : { zone: options.zone }),
    });
    const store = await openStore(folder);
    const exchange = new Exchange({ network, store: exchangeStore(store.blobs), origin: () => origin, ...options });
    for (const other of this.nodes) if (!other.network.stopped) this.swarm.connect(network, other.network);
    const node = { network, store, exchange, folder };
    this.nodes.push(node);
    return node;
  }

  async addAll(count: number, origin: Origin | undefined): Promise<ExchangeNode[]> {
    const added: ExchangeNode[] = [];
    for (let i = 0; i < count; i++) added.push(await this.add(origin));
    return added;
  }

  /** Stops a node as a crash of its connections would, and closes its store so that another can open it. */
  async stop(node: ExchangeNode): Promise<void> {
    this.swarm.isolate(node.network);
    node.network.stopped = true;
    await node.exchange.close();
    await node.store.close();
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  async close(): Promise<void> {
    while (this.nodes[0] !== undefined) await this.stop(this.nodes[0]);
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }
}

/** A swarm without nodes yet. */
export function emptySwarm(cleanup: Cleanup): ExchangeSwarm {
  const swarm = new ExchangeSwarm();
  cleanup.teardown(() => swarm.close());
  return swarm;
}

/** Pulls the blob, and gives the bytes that the store then has under its name. */
export async function pull(node: ExchangeNode, digest: Digest, size?: number): Promise<Buffer> {
  const fetch = node.exchange.fetch({ digest, repository: 'test/image', ...(size === undefined ? {} : { size }) });
  try {
    await fetch.done();
    const reader = await node.store.blobs.open(digest);
    try {
      return await reader.read(0, reader.size);
    } finally {
      await reader.close();
    }
  } finally {
    fetch.release();
  }
}
