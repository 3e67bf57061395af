import { connect } from 'node:tls';
import { BulkThread } from '../../src/swarm/lane/bulk/bulk-thread.ts';
import { makeBulkIdentity } from '../../src/swarm/lane/bulk/certificate.ts';
import { TlsLaneHub } from '../../src/swarm/lane/bulk/tls-lane-hub.ts';
import { BULK_ALPN, tlsOptions } from '../../src/swarm/lane/bulk/tls-settings.ts';
import { Bandwidth } from '../../src/swarm/lane/pace/bandwidth.ts';
import type { LaneNode, LaneOptions, LanePair, RawLane } from '../unit/swarm/lane/conformance/lane-pair.ts';
import { TestLaneSource } from './lane-source.ts';
import { MemorySwarm, type MemoryNetwork } from './memory-network.ts';

export interface TlsNode {
  readonly network: MemoryNetwork;
  readonly thread: BulkThread;
  readonly hub: TlsLaneHub;
  readonly source: TestLaneSource;
  /** Set when the thread ended by itself. */
  failure: Error | undefined;
}

/** A member of a swarm in memory with a bulk port on loopback. */
export async function makeTlsNode(swarm: MemorySwarm, options: LaneOptions = {}): Promise<TlsNode> {
  const network = await swarm.join();
  const source = new TestLaneSource();
  const { bandwidth, ...times } = options;
  const thread = await BulkThread.start({ host: '127.0.0.1', port: 0, ...times, bandwidth: bandwidth === undefined ? undefined : new Bandwidth(bandwidth) }, (error) => { node.failure = error; });
  const node: TlsNode = { network, source, thread, hub: new TlsLaneHub(thread, network, source), failure: undefined };
  return node;
}

export async function makeTlsLanePair(options: LaneOptions = {}): Promise<LanePair> {
  const swarm = new MemorySwarm();
  const [a, b] = await Promise.all([makeTlsNode(swarm, options), makeTlsNode(swarm, options)]);
  return {
    a: laneNode(a),
    b: laneNode(b),
    rawLaneToA: async () => await rawLane(b.network, a),
    stop: async () => { await Promise.all([a.thread.stop(), b.thread.stop()]); },
  };
}

function laneNode({ network, hub, source, thread }: TlsNode): LaneNode {
  return {
    peerId: network.self,
    source,
    laneTo: async (other) => await hub.lane(other.peerId),
    currentLane: (other) => hub.current(other.peerId),
    die: async () => { await thread.kill(); },
  };
}

/** Opens a lane as the peer that `from` is, and speaks for itself. */
export async function rawLane(from: MemoryNetwork, to: TlsNode): Promise<RawLane> {
  const identity = makeBulkIdentity();
  const { offer } = await from.request(to.network.self, { type: 'bulk-open', fingerprint: identity.fingerprint }, 'bulk-ticket');
  const socket = connect({ ...tlsOptions(identity), host: '127.0.0.1', port: to.thread.port, rejectUnauthorized: false, ALPNProtocols: [BULK_ALPN] });
  const parts: Buffer[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.on('data', (chunk: Buffer) => { parts.push(chunk); });
  // Reset or not, it is closed.
  socket.on('error', () => undefined);
  socket.on('close', () => { resolve(); });
  socket.write(offer!.ticket);
  return {
    write: (bytes) => { if (socket.writable) socket.write(bytes); },
    received: () => Buffer.concat(parts),
    closed,
  };
}
