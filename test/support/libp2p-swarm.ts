import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Libp2pNetwork } from '../../src/swarm/network/libp2p-network.ts';
import type { NetworkOptions } from '../../src/swarm/network/network-options.ts';
import type { Network, OriginAnnouncement } from '../../src/swarm/network/network.ts';
import { deriveSwarmKey, type SwarmKey } from '../../src/swarm/network/swarm-key.ts';
import { isFree } from './lasting-port.ts';
import { waitFor } from './wait-for.ts';

export type SwarmNodeOptions = Partial<NetworkOptions> & { origin?: OriginAnnouncement };

/** Real nodes on loopback in this process, each with a folder of its own; every node is given the others as bootstrap. */
export class Libp2pSwarm {
  readonly key: SwarmKey = deriveSwarmKey(Buffer.alloc(32, 7));
  readonly nodes: Libp2pNetwork[] = [];
  readonly #folders: string[] = [];

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'ls-net-'));
    this.#folders.push(folder);
    return folder;
  }

  /** Starts a node; without `bootstrap` it is told where the first one is. */
  async join(options: SwarmNodeOptions = {}): Promise<Libp2pNetwork> {
    const { origin, ...network } = options;
    const node = await Libp2pNetwork.create({
      dataDir: network.dataDir ?? (await this.folder()),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      swarmKeys: [this.key],
      mdns: false,
      bootstrap: this.nodes.slice(0, 1).flatMap((first) => first.multiaddrs()),
      provideFrom: 1,
      provideIntervalMs: 1,
      ...network,
    });
    if (origin !== undefined) node.announceOrigin(origin);
    this.nodes.push(node);
    await node.start();
    return node;
  }

  /** Until another one can listen where it did: on a busy machine `stop` does not wait for its handshakes, nor for the port. */
  async stopNode(node: Network): Promise<void> {
    const index = this.nodes.findIndex((candidate) => candidate === node);
    const [stopped] = this.nodes.splice(index, 1);
    const ports = stopped?.multiaddrs().map((address) => Number(/\/tcp\/(\d+)/.exec(address)![1])) ?? [];
    await stopped?.stop();
    for (const port of ports) await waitFor(`port ${port}`, async () => await isFree(port));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.nodes.splice(0).map(async (node) => {
        await node.stop();
      }),
    );
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }
}
