import { randomBytes } from 'node:crypto';
import { Libp2pNetwork as HonestNetwork } from '../../../src/swarm/network/libp2p-network.ts';

const { searchParams } = new URL(import.meta.url);
const lies = (searchParams.get('lies') ?? '').split(',');
/** `HOST:PORT` where nobody has a reason to knock. */
const doors = (searchParams.get('doors') ?? '').split(',');
const EVERY_MS = 200;
const FLOOD = 100;
const PIECE_LENGTH = 65_536;
const PIECES = 16_384;

type CreateOptions = Parameters<typeof HonestNetwork.create>[0];

/** Has others knock at doors that are none of its own, and asks them to coordinate blobs that nobody has heard of. */
export const Libp2pNetwork = {
  async create(options: CreateOptions): Promise<HonestNetwork> {
    const network = await HonestNetwork.create(options);
    setInterval(() => {
      for (const { peerId } of network.peers()) {
        if (lies.includes('dial')) void knock(network, peerId);
        if (lies.includes('flood')) for (let i = 0; i < FLOOD; i++) flood(network, peerId);
      }
    }, EVERY_MS).unref();
    return network;
  },
};

async function knock(network: HonestNetwork, peerId: string): Promise<void> {
  const offer = { addresses: [...doors, '127.0.0.1:5051', '169.254.169.254:80'], fingerprint: randomBytes(32), ticket: randomBytes(32), expiresInMs: 60_000 };
  try {
    await network.request(peerId, { type: 'bulk-dial', offer }, 'ok', { timeoutMs: 5000 });
  } catch {
    // as it should be
  }
}

function flood(network: HonestNetwork, peerId: string): void {
  network.send(peerId, {
    type: 'lease-request', blob: `sha256:${randomBytes(32).toString('hex')}`, size: PIECES * PIECE_LENGTH, pieceLength: PIECE_LENGTH, bits: new Uint8Array(PIECES / 8), active: [], pieces: PIECES, insists: true,
  });
}
