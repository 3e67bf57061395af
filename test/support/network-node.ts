import { Libp2pNetwork } from '../../src/swarm/network/libp2p-network.ts';
import type { MemberLimits } from '../../src/swarm/network/members.ts';
import { deriveSwarmKey } from '../../src/swarm/network/swarm-key.ts';

export interface NetworkNodeOptions {
  readonly dataDir: string;
  /** Nodes with the same number have the same swarm key. */
  readonly key: number;
  readonly limits?: Partial<MemberLimits>;
}

/**
 * A network node as a process of its own; its argument is its `NetworkNodeOptions` as JSON. Prints `ready MS PEER_ID`, then a line
 * `joined|left MS PEER_ID` for each change; milliseconds since the process was started.
 */
const options = JSON.parse(process.argv[2] ?? '') as NetworkNodeOptions;
const startedAt = Date.now() - process.uptime() * 1000;
const network = await Libp2pNetwork.create({
  dataDir: options.dataDir,
  listen: ['/ip4/0.0.0.0/tcp/4001'],
  swarmKeys: [deriveSwarmKey(Buffer.alloc(32, options.key))],
  limits: options.limits ?? {},
  onWarning: (line) => {
    console.error(line);
  },
});
const say = (event: string, peerId: string): void => {
  console.log(event, Math.round(Date.now() - startedAt), peerId);
};
network.onPeer((event, peer) => {
  say(event, peer.peerId);
});
await network.start();
say('ready', network.self);
process.once('SIGTERM', () => {
  void network.stop().then(() => process.exit(0));
});
