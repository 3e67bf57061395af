import { randomBytes } from 'node:crypto';
import { Libp2pNetwork as HonestNetwork } from '../../../src/swarm/network/libp2p-network.ts';

/** `HOST:PORT` where nobody has a reason to knock. */
const doors = (new URL(import.meta.url).searchParams.get('doors') ?? '').split(',');
const EVERY_MS = 200;

type CreateOptions = Parameters<typeof HonestNetwork.create>[0];

/** Has others knock at doors that are none of its own. */
export const Libp2pNetwork = {
  async create(options: CreateOptions): Promise<HonestNetwork> {
    const network = await HonestNetwork.create(options);
    setInterval(() => {
      for (const { peerId } of network.peers()) void knock(network, peerId);
    }, EVERY_MS).unref();
    return network;
  },
};

async function knock(network: HonestNetwork, peerId: string): Promise<void> {
  const offer = {
    addresses: [...doors, '127.0.0.1:5051', '169.254.169.254:80'],
    fingerprint: randomBytes(32),
    ticket: randomBytes(32),
    expiresInMs: 60_000,
  };
  try {
    await network.request(peerId, { type: 'bulk-dial', offer, from: 0, to: 0 }, 'ok', { timeoutMs: 5000 });
  } catch {
    // as it should be
  }
}
