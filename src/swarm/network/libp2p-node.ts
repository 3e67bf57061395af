import { BlockList, createServer, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { noise } from '@chainsafe/libp2p-noise';
import { identify } from '@libp2p/identify';
import type { ConnectionEncrypter, ConnectionGater, Libp2p } from '@libp2p/interface';
import { kadDHT, passthroughMapper, type KadDHT } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { LayerswarmError } from '../../errors.ts';
import { guardedLookup } from '../../origin/guarded-lookup.ts';
import { isLoopback, parseTcpAddress } from './address.ts';
import type { Handshakes } from './handshakes.ts';
import { muxer } from './muxer.ts';
import type { PeerKey } from './peer-key.ts';
import { ProviderDatastore } from './provider-datastore.ts';
import { silentLogger } from './silent-logger.ts';
import type { SwarmKey } from './swarm-key.ts';

const DHT_PROTOCOL = '/layerswarm/lan/kad/1.0.0';
const HOUR_MS = 3_600_000;
/** One address of a peer may be unreachable from here (another network, a container bridge): on to its next soon. */
const ADDRESS_DIAL_TIMEOUT_MS = 5000;
export const DIAL_TIMEOUT_MS = 20_000;
/** A node asks for its own neighbourhood in the DHT after this time, or up to twice as much. */
const QUERY_SELF_AFTER_MS = 60_000;

export type Node = Libp2p<{ dht: KadDHT }>;

export interface NodeOptions {
  peerKey: PeerKey;
  /** Each is accepted, the first is offered first. None: anybody may connect. */
  swarmKeys: readonly SwarmKey[];
  /** Multiaddrs. */
  listen: readonly string[];
  announce: readonly string[];
  maxConnections: number;
  gater: ConnectionGater;
  /** Whether a name that was told may lead to this IP address. */
  leadsOut?: (host: string) => boolean;
  agent: string;
  handshakes: Handshakes;
}

/**
 * A libp2p node that is not yet started: TCP, Noise with the swarm key, yamux, identify, and the DHT of this swarm alone.
 * @throws `port-taken`, `config-invalid`
 */
export async function createNode(options: NodeOptions): Promise<Node> {
  const { handshakes } = options;
  for (const address of options.listen) await checkListenAddress(address);
  const { leadsOut } = options;
  const guard = leadsOut === undefined ? {} : { lookup: guardedLookup((_reach, _name, address) => leadsOut(address)) };
  return await createLibp2p({
    start: false,
    privateKey: options.peerKey.privateKey,
    ...(process.env['DEBUG'] === undefined ? { logger: silentLogger } : {}),
    nodeInfo: { name: 'layerswarm', userAgent: options.agent },
    datastore: new ProviderDatastore(),
    addresses: { listen: [...options.listen], announce: [...options.announce], announceFilter: withoutLoopback },
    transports: [
      (components) => handshakes.watchTransport(tcp({ dialOpts: { noDelay: true, ...guard }, listenOpts: { noDelay: true } })(components)),
    ],
    connectionEncrypters: (options.swarmKeys.length === 0 ? [noise()] : options.swarmKeys.map(noiseWithKey)).map(
      (make) => (components) => handshakes.watchEncrypter(make(components)),
    ),
    streamMuxers: [muxer],
    connectionGater: options.gater,
    connectionManager: {
      maxConnections: options.maxConnections,
      // The defaults, 5 and 10, turn away a crowd that starts at once.
      inboundConnectionThreshold: 50,
      // the gater keeps places by address: one number for all would let strangers take them from members
      maxIncomingPendingConnections: 4096,
      maxParallelDials: 32,
      dialTimeout: DIAL_TIMEOUT_MS,
      addressDialTimeout: ADDRESS_DIAL_TIMEOUT_MS,
      addressSorter: (a, b) => Math.sign(reachability(a.multiaddr) - reachability(b.multiaddr)) as -1 | 0 | 1,
      // Members are dialled again by `Dialer`, for ever; this queue would give up after five times.
      reconnectRetries: 0,
    },
    // `Members` asks silent peers for a sign of life; the monitor aborts healthy connections when one ping is late.
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: DHT_PROTOCOL,
        clientMode: false,
        // The default drops private addresses, which are all that most swarms have.
        peerInfoMapper: passthroughMapper,
        // Members are connected already, and know each other. Spread out, so that those who started together do not ask together.
        initialQuerySelfInterval: QUERY_SELF_AFTER_MS * (1 + Math.random()),
        allowQueryWithZeroPeers: true,
        reprovide: { validity: 6 * HOUR_MS, threshold: 3 * HOUR_MS, interval: HOUR_MS / 4, concurrency: 2 },
      }),
    },
  });
}

/** A peer with another key offers another protocol name, and who forges the name fails the handshake for its prologue. */
function noiseWithKey(key: SwarmKey): (components: Parameters<ReturnType<typeof noise>>[0]) => ConnectionEncrypter {
  const make = noise({ prologueBytes: key.prologue });
  return (components) => Object.assign(make(components), { protocol: `/noise/${key.id}` });
}

/** A loopback address means another host to everybody who hears it; only a node that has nothing else says it. */
function withoutLoopback(addresses: Multiaddr[]): Multiaddr[] {
  const elsewhere = addresses.filter((address) => !isLoopback(parseTcpAddress(address.toString())?.host ?? ''));
  return elsewhere.length > 0 ? elsewhere : addresses;
}

/** Lower is tried first: networks that this host is on, then the rest, then addresses that can only be this host. */
function reachability(address: Multiaddr): number {
  const host = parseTcpAddress(address.toString())?.host ?? '';
  if (isLoopback(host)) return 2;
  const version = isIP(host);
  if (version === 0) return 1;
  const near = new BlockList();
  for (const own of Object.values(networkInterfaces()).flat()) {
    const prefix = Number(own?.cidr?.split('/')[1]);
    if (own !== undefined && !own.internal && Number.isInteger(prefix))
      near.addSubnet(own.address, prefix, own.family === 'IPv4' ? 'ipv4' : 'ipv6');
  }
  return near.check(host, version === 4 ? 'ipv4' : 'ipv6') ? 0 : 1;
}

/** libp2p says that it could not listen, and why only in the text of a message; so the address is tried first. */
async function checkListenAddress(address: string): Promise<void> {
  const parsed = parseTcpAddress(address);
  if (parsed === undefined || isIP(parsed.host) === 0) {
    throw new LayerswarmError(
      'config-invalid',
      `listen: expected a multiaddr such as /ip4/0.0.0.0/tcp/4001, received "${address.slice(0, 200)}"`,
    );
  }
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject);
  server.listen({ host: parsed.host, port: parsed.port }, () => {
    resolve(undefined);
  });
  try {
    await promise;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      throw new LayerswarmError(
        'port-taken',
        `port ${parsed.port} on ${parsed.host} is taken by another program: stop it, or listen elsewhere (--listen)`,
        { cause },
      );
    throw new LayerswarmError('config-invalid', `cannot listen on ${address}: ${code ?? 'unknown error'}`, { cause });
  } finally {
    server.close();
  }
}
