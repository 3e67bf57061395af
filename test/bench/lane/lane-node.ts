import { createReadStream } from 'node:fs';
import { once } from 'node:events';
import { Digest } from '../../../src/oci/digest.ts';
import { openStore } from '../../../src/store/store.ts';
import { Libp2pNetwork } from '../../../src/swarm/network/libp2p-network.ts';
import { deriveSwarmKey } from '../../../src/swarm/network/swarm-key.ts';
import { startThread } from '../../support/thread-nodes.ts';
import { connected } from '../../support/wait-for-peers.ts';
import { startCounting } from './measure.ts';

// A member that sends a blob, or one that fetches it from that one member, over lanes of one kind.
// Arguments: `send`, kind, folder, file; or `receive`, kind, folder, digest, size, peer id, multiaddr.
const [role, kind, folder, ...rest] = process.argv.slice(2) as [string, 'stream' | 'tls', string, ...string[]];
const network = await Libp2pNetwork.create({
  dataDir: folder,
  listen: ['/ip4/127.0.0.1/tcp/0'],
  swarmKeys: [deriveSwarmKey(Buffer.alloc(32, 9))],
  mdns: false,
  bootstrap: role === 'receive' ? [rest[3]!] : [],
});
const store = await openStore(folder);
const thread = await startThread(network, store, {
  ...(kind === 'tls' ? {} : { listen: undefined }),
  onFailure: (error) => {
    throw error;
  },
});
await network.start();
if (role === 'send') await send(rest[0]!);
else await receive(Digest.parse(rest[0]!), Number(rest[1]), rest[2]!);
process.disconnect();
await thread.close();
await network.stop();
await store.close();

async function send(path: string): Promise<void> {
  await store.blobs.write(createReadStream(path, { highWaterMark: 1 << 20 }));
  process.send!({ peerId: network.self, multiaddr: network.multiaddrs()[0] });
  // Counted from the first message of the receiver to the last.
  await once(process, 'message');
  const spent = startCounting();
  await once(process, 'message');
  process.send!({ sender: spent() });
}

async function receive(digest: Digest, size: number, peerId: string): Promise<void> {
  await connected(network, peerId);
  process.send!({ ready: true });
  await once(process, 'message');
  const spent = startCounting();
  const fetch = thread.fetch({ digest, size, repository: 'bench' });
  await fetch.done();
  process.send!({ receiver: spent(), digest: digest.hex });
  fetch.release();
}
