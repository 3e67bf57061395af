import { join } from 'node:path';
import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { LayerswarmError } from '../../errors.ts';
import type { MessageOf } from '../protocol/message.ts';
import { ContentRouting } from './content-routing.ts';
import type { BootstrapAddress } from './discovery/bootstrap-address.ts';
import type { Candidate } from './discovery/candidates.ts';
import { Discovery } from './discovery/discovery.ts';
import { SYSTEM_RESOLVER } from './discovery/dns-names.ts';
import type { Gater } from './gater.ts';
import type { MessageHandlers } from './handlers.ts';
import { DIAL_TIMEOUT_MS, type Node } from './libp2p-node.ts';
import { CONTROL_PROTOCOL, DEFAULT_MEMBER_LIMITS, Members, type MemberEvents } from './members.ts';
import { NeighbourKeeper } from './neighbour-keeper.ts';
import { staysOnThisHost, type NetworkOptions } from './network-options.ts';

const DEFAULT_NEIGHBOUR_GRACE_MS = 10_000;
const DEFAULT_PROVIDE_INTERVAL_MS = 1000;
/** A quarter of the members that a node has before it looks for others (`DOWNLOAD_LIMITS.wholeSwarm`): not all see as many. */
const DEFAULT_PROVIDE_FROM = 32;

/** What a network is made of while it runs. */
export interface NetworkParts {
  readonly node: Node;
  readonly members: Members;
  readonly discovery: Discovery;
  readonly content: ContentRouting;
  readonly neighbours: NeighbourKeeper;
}

export interface PartsOptions {
  readonly self: string;
  readonly options: NetworkOptions;
  readonly bootstrap: readonly BootstrapAddress[];
  readonly gater: Gater;
  readonly handlers: MessageHandlers;
  readonly maxNeighbours: number;
  /** Of those as many as this node dials itself. */
  readonly dialled: number;
  readonly events: MemberEvents;
  readonly hello: () => MessageOf<'hello'>;
  readonly warn: (line: string) => void;
}

/** Joined, and not started. */
export function makeParts(
  node: Node,
  { self, options, bootstrap, gater, handlers, maxNeighbours, dialled: target, events, hello, warn }: PartsOptions,
): NetworkParts {
  const members = new Members({ self, handlers, hello, limits: { ...DEFAULT_MEMBER_LIMITS, ...options.limits }, events });
  const discovery = new Discovery({
    self,
    bootstrap,
    resolver: options.resolver ?? SYSTEM_RESOLVER,
    lan: options.mdns !== false && !staysOnThisHost(options),
    rememberedPath: join(options.dataDir, 'network', 'members.json'),
    targetMembers: target,
    ownAddresses: () => node.getMultiaddrs().map((address) => address.toString()),
    members: () => Array.from(members.joined(), (control) => ({ peerId: control.peer.peerId, listen: control.hello?.listen ?? [] })),
    isConnected: (peerId) => members.has(peerId),
    dial: async (candidate, signal, onAnswer) => await dial(node, gater, candidate, signal, onAnswer),
    askPeers: async (peerId) => await members.require(peerId).request({ type: 'get-peers' }, 'peers'),
    onWarning: warn,
  });
  const content = new ContentRouting({
    dht: node.services.dht,
    memberCount: () => [...members.joined()].length,
    provideFrom: options.provideFrom ?? DEFAULT_PROVIDE_FROM,
    provideIntervalMs: options.provideIntervalMs ?? DEFAULT_PROVIDE_INTERVAL_MS,
  });
  const neighbours = new NeighbourKeeper({
    max: maxNeighbours,
    graceMs: options.neighbourGraceMs ?? DEFAULT_NEIGHBOUR_GRACE_MS,
    target,
    neighbours: () => Array.from(members.joined(), (control) => control.peer),
    letGo: (peerId) => {
      members.cut(peerId, new LayerswarmError('peer-gone', 'this node has neighbours enough'));
    },
  });
  return { node, members, discovery, content, neighbours };
}

/** Has libp2p tell the parts of connections, control streams and addresses. Before the node starts, so that none is missed. */
export async function connectParts({ node, members, discovery }: NetworkParts): Promise<void> {
  node.addEventListener('connection:open', (event) => {
    members.onConnection(event.detail);
  });
  node.addEventListener('peer:discovery', ({ detail }) => {
    discovery.offer(
      detail.multiaddrs.map((address) => `${address.toString()}/p2p/${detail.id.toString()}`),
      'exchanged',
    );
  });
  await node.handle(
    CONTROL_PROTOCOL,
    (stream, connection) => {
      members.onStream(stream, connection);
    },
    { maxInboundStreams: 2, maxOutboundStreams: 2 },
  );
}

async function dial(node: Node, gater: Gater, candidate: Candidate, signal: AbortSignal, onAnswer: () => void): Promise<string> {
  if (candidate.source === 'configured' || candidate.source === 'dns') for (const address of candidate.addresses) gater.allow(address);
  const suffix = candidate.peerId === undefined ? '' : `/p2p/${candidate.peerId}`;
  const addresses = candidate.addresses.map((address) => multiaddr(`${address}${suffix}`));
  const connection: Connection = await node.dial(addresses, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]),
    onProgress: (event) => {
      if (event.type === 'upgrader:encrypt-outbound-connection') onAnswer();
    },
  });
  return connection.remotePeer.toString();
}
