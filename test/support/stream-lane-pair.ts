import { noise } from '@chainsafe/libp2p-noise';
import type { Libp2p, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { LayerswarmError } from '../../src/errors.ts';
import { encodeFrame, LANE_VERSION } from '../../src/swarm/lane/frame.ts';
import { LaneSessions } from '../../src/swarm/lane/lane-sessions.ts';
import type { LaneTransport } from '../../src/swarm/lane/lane-transport.ts';
import { Bandwidth } from '../../src/swarm/lane/pace/bandwidth.ts';
import { StreamLaneHub, type LaneStreams } from '../../src/swarm/lane/stream-lane-hub.ts';
import { StreamTransport } from '../../src/swarm/lane/stream-transport.ts';
import { laneProtocol } from '../../src/swarm/network/member-streams.ts';
import { TestLaneSource } from './lane-source.ts';
import { waitFor } from './wait-for.ts';
import type { LaneNode, LaneOptions, LanePair, RawLane } from '../unit/swarm/lane/conformance/lane-pair.ts';

const LANE_PROTOCOL = laneProtocol(0, 0);

/** Two libp2p nodes on loopback over TCP, Noise and yamux, with the windows that the product sets. */
export async function makeStreamLanePair(options: LaneOptions = {}): Promise<LanePair> {
  const [a, b] = [await makeNode(options), await makeNode(options)];
  await a.libp2p.dial(b.libp2p.getMultiaddrs());
  await waitFor('the connection on both sides', () => b.libp2p.getConnections().length === 1, { interval: 5 });
  return {
    a: a.node,
    b: b.node,
    rawLaneToA: async () => await rawLane(b, a),
    stop: async () => {
      await Promise.all([a.sessions.close(), b.sessions.close()]);
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

/** Streams on whatever connections the node has. */
async function streamsOf(libp2p: Libp2p): Promise<LaneStreams> {
  const streams: LaneStreams = {
    onOpened: undefined,
    open: async (peerId: string, signal: AbortSignal): Promise<LaneTransport> => {
      const stream = await libp2p.dialProtocol(peerIdFromString(peerId), LANE_PROTOCOL, { signal }).catch((cause: unknown) => {
        throw new LayerswarmError('peer-gone', `peer ${peerId} takes no lane`, { cause });
      });
      return new StreamTransport(stream);
    },
  };
  await libp2p.handle(LANE_PROTOCOL, (stream, connection) => {
    streams.onOpened?.(connection.remotePeer.toString(), new StreamTransport(stream));
  });
  return streams;
}

async function makeNode(options: LaneOptions): Promise<{ libp2p: Libp2p; sessions: LaneSessions; streams: LaneStreams; node: LaneNode }> {
  const libp2p = await makeTestLibp2p();
  const source = new TestLaneSource();
  const { bandwidth, ...times } = options;
  const sessions = new LaneSessions({ source, ...times, bandwidth: bandwidth === undefined ? undefined : new Bandwidth(bandwidth) });
  const streams = await streamsOf(libp2p);
  const hub = new StreamLaneHub(streams, sessions);
  const node: LaneNode = {
    peerId: libp2p.peerId.toString(),
    source,
    laneTo: async (other) => await hub.lane(other.peerId),
    currentLane: (other) => hub.current(other.peerId),
    use: (other) => {
      const found = [...sessions.uses()].find(({ peerId }) => peerId === other.peerId);
      return { isOpen: found !== undefined && found.kind !== 'none', sentBytes: found?.sentBytes ?? 0 };
    },
    die: async () => {
      for (const connection of libp2p.getConnections()) connection.abort(new Error('killed by the test'));
      await Promise.resolve();
    },
  };
  return { libp2p, sessions, streams, node };
}

/** `to` opens a lane to `from`, whose end the test has. */
async function rawLane(
  { libp2p: from, streams }: Awaited<ReturnType<typeof makeNode>>,
  to: Awaited<ReturnType<typeof makeNode>>,
): Promise<RawLane> {
  const parts: Uint8Array[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<Stream>();
  await from.unhandle(LANE_PROTOCOL);
  await from.handle(LANE_PROTOCOL, (stream) => {
    stream.addEventListener('message', (event) => {
      parts.push(event.data.subarray());
    });
    stream.addEventListener('close', () => {
      resolve();
    });
    stream.send(encodeFrame({ type: 'hello', id: 0, version: LANE_VERSION }));
    opened.resolve(stream);
  });
  await to.node.laneTo({ peerId: from.peerId.toString() });
  const stream = await opened.promise;
  await from.unhandle(LANE_PROTOCOL);
  await from.handle(LANE_PROTOCOL, (next, connection) => {
    streams.onOpened?.(connection.remotePeer.toString(), new StreamTransport(next));
  });
  return {
    greeted: true,
    write: (bytes) => {
      if (stream.writeStatus === 'writable') stream.send(bytes);
    },
    received: () => Buffer.concat(parts),
    closed,
  };
}
