import { connect } from 'node:tls';
import { BulkPort } from '../../src/swarm/lane/bulk/bulk-port.ts';
import { makeBulkIdentity } from '../../src/swarm/lane/bulk/certificate.ts';
import { TlsLaneHub, type TlsLaneOptions } from '../../src/swarm/lane/bulk/tls-lane-hub.ts';
import { bulkAlpn, tlsOptions } from '../../src/swarm/lane/bulk/tls-settings.ts';
import { LaneSessions } from '../../src/swarm/lane/lane-sessions.ts';
import { Bandwidth } from '../../src/swarm/lane/pace/bandwidth.ts';
import type { LaneNode, LaneOptions, LanePair, RawLane } from '../unit/swarm/lane/conformance/lane-pair.ts';
import { TestLaneSource } from './lane-source.ts';
import { MemorySwarm, type MemoryNetwork } from './memory-network.ts';

export interface TlsNode {
  readonly network: MemoryNetwork;
  readonly port: BulkPort;
  readonly sessions: LaneSessions;
  readonly hub: TlsLaneHub;
  readonly source: TestLaneSource;
  stop(): Promise<void>;
}

/** A member of a swarm in memory with a bulk port on loopback. */
export async function makeTlsNode(swarm: MemorySwarm, options: LaneOptions = {}, hubOptions: TlsLaneOptions = {}): Promise<TlsNode> {
  const network = await swarm.join();
  const source = new TestLaneSource();
  const { bandwidth, ...times } = options;
  const sessions = new LaneSessions({ source, ...times, bandwidth: bandwidth === undefined ? undefined : new Bandwidth(bandwidth) });
  const port = await BulkPort.listen({ host: '127.0.0.1', port: 0, sessions });
  return {
    network,
    source,
    sessions,
    port,
    hub: new TlsLaneHub(port, network, hubOptions),
    stop: async () => {
      port.close();
      await sessions.close();
    },
  };
}

export async function makeTlsLanePair(options: LaneOptions = {}): Promise<LanePair> {
  const swarm = new MemorySwarm();
  const [a, b] = await Promise.all([makeTlsNode(swarm, options), makeTlsNode(swarm, options)]);
  return {
    a: laneNode(a),
    b: laneNode(b),
    rawLaneToA: async () => await rawLane(b.network, a),
    stop: async () => {
      await Promise.all([a.stop(), b.stop()]);
    },
  };
}

function laneNode({ network, hub, source, sessions }: TlsNode): LaneNode {
  return {
    peerId: network.self,
    source,
    laneTo: async (other) => await hub.lane(other.peerId),
    currentLane: (other) => hub.current(other.peerId),
    use: (other) => {
      const found = [...sessions.uses()].find(({ peerId }) => peerId === other.peerId);
      return { isOpen: found !== undefined && found.kind !== 'none', sentBytes: found?.sentBytes ?? 0 };
    },
    die: async () => {
      await sessions.close();
    },
  };
}

/** Opens a lane as the peer that `from` is, and speaks for itself. */
export async function rawLane(from: MemoryNetwork, to: TlsNode): Promise<RawLane> {
  const identity = makeBulkIdentity();
  // As if it had been asked to dial: the other side makes its requests there.
  const offer = to.port.offer(from.self, identity.fingerprint, true);
  const socket = connect({
    ...tlsOptions(identity),
    host: '127.0.0.1',
    port: to.port.port,
    rejectUnauthorized: false,
    ALPNProtocols: [bulkAlpn(0)],
  });
  const parts: Buffer[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.on('data', (chunk: Buffer) => {
    parts.push(chunk);
  });
  // Reset or not, it is closed.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    resolve();
  });
  socket.write(offer.ticket);
  return {
    greeted: false,
    write: (bytes) => {
      if (socket.writable) socket.write(bytes);
    },
    received: () => Buffer.concat(parts),
    closed,
  };
}
