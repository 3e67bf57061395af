import { noise } from '@chainsafe/libp2p-noise';
import type { Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { LANE_PROTOCOL, StreamLaneHub } from '../../src/swarm/lane/stream-lane-hub.ts';
import { Bandwidth } from '../../src/swarm/lane/pace/bandwidth.ts';
import { TestLaneSource } from './lane-source.ts';
import { waitFor } from './wait-for.ts';
import type { LaneNode, LaneOptions, LanePair, RawLane } from '../unit/swarm/lane/conformance/lane-pair.ts';

/** Two libp2p nodes on loopback over TCP, Noise and yamux, with the windows that the product sets. */
export async function makeStreamLanePair(options: LaneOptions = {}): Promise<LanePair> {
  const [a, b] = [await makeNode(options), await makeNode(options)];
  await a.libp2p.dial(b.libp2p.getMultiaddrs());
  await waitFor('the connection on both sides', () => b.libp2p.getConnections().length === 1, { interval: 5 });
  return {
    a: a.node,
    b: b.node,
    rawLaneToA: async () => await rawLane(b.libp2p, a.libp2p),
    stop: async () => {
      await Promise.all([a.hub.stop(), b.hub.stop()]);
      await Promise.all([a.libp2p.stop(), b.libp2p.stop()]);
    },
  };
}

export async function makeTestLibp2p(): Promise<Libp2p> {
  return await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 1 << 20, maxReadBufferLength: 1 << 22 } })],
    connectionMonitor: { enabled: false },
  });
}

async function makeNode(options: LaneOptions): Promise<{ libp2p: Libp2p; hub: StreamLaneHub; node: LaneNode }> {
  const libp2p = await makeTestLibp2p();
  const source = new TestLaneSource();
  const { bandwidth, ...times } = options;
  const hub = new StreamLaneHub(libp2p, source, { ...times, bandwidth: bandwidth === undefined ? undefined : new Bandwidth(bandwidth) });
  await hub.start();
  const node: LaneNode = {
    peerId: libp2p.peerId.toString(),
    source,
    laneTo: async (other) => await hub.lane(other.peerId),
    currentLane: (other) => hub.current(other.peerId),
    die: async () => {
      for (const connection of libp2p.getConnections()) connection.abort(new Error('killed by the test'));
      await Promise.resolve();
    },
  };
  return { libp2p, hub, node };
}

async function rawLane(from: Libp2p, to: Libp2p): Promise<RawLane> {
  const stream = await from.dialProtocol(to.peerId, LANE_PROTOCOL);
  const parts: Uint8Array[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  stream.addEventListener('message', (event) => { parts.push(event.data.subarray()); });
  stream.addEventListener('close', () => { resolve(); });
  return {
    write: (bytes) => { if (stream.writeStatus === 'writable') stream.send(bytes); },
    received: () => Buffer.concat(parts),
    closed,
  };
}
