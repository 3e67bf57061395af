import { peerIdFromString } from '@libp2p/peer-id';
import { LaneHub } from '../lane/lane-hub.ts';
import { TlsLaneHub, type BulkControl } from '../lane/bulk/tls-lane-hub.ts';
import type { Lane, LaneSource } from '../lane/lane.ts';
import { StreamLaneHub } from '../lane/stream-lane-hub.ts';
import { addressGroup, parseTcpAddress } from './address.ts';
import type { Node } from './libp2p-node.ts';
import type { NetworkOptions } from './network-options.ts';
import { ownOffersOnly } from './own-offers.ts';
import type { Members } from './members.ts';

/** The lanes between this node and its members: nobody else gets one, and they end with the membership. */
export class MemberLanes {
  readonly #streams: StreamLaneHub;
  readonly #hub: LaneHub;

  constructor(node: Node, members: Members, control: BulkControl, source: LaneSource, { bulk, bandwidth }: Pick<NetworkOptions, 'bulk' | 'bandwidth'>) {
    this.#streams = new StreamLaneHub(streamsOfMembers(node, members), source, {
      hostOf: (peerId) => addressGroup(members.get(peerId)?.peer.address ?? ''),
      bandwidth,
      admit: (peerId) => members.get(peerId) !== undefined,
      onLane: (peerId, lane) => { members.get(peerId)?.peer.useLane('stream', lane); },
    });
    const tls = bulk === undefined ? undefined : new TlsLaneHub(bulk, ownOffersOnly(control, (peerId) => recordedHosts(node, peerId)), source, {
      onLane: (peerId, lane) => { members.get(peerId)?.peer.useLane('tls', lane); },
    });
    this.#hub = new LaneHub(this.#streams, tls);
  }

  async start(): Promise<void> {
    await this.#streams.start();
  }

  async stop(): Promise<void> {
    await this.#streams.stop();
  }

  async lane(peerId: string, signal: AbortSignal | undefined): Promise<Lane> {
    return await this.#hub.lane(peerId, signal);
  }

  /** The peer is no member any longer. */
  forget(peerId: string): void {
    this.#hub.forget(peerId);
  }
}

/** What the peer signed itself, with its peer key, in the record that identify brings. */
async function recordedHosts(node: Node, peerId: string): Promise<string[]> {
  try {
    const { addresses } = await node.peerStore.get(peerIdFromString(peerId));
    return addresses.filter(({ isCertified }) => isCertified).map(({ multiaddr }) => parseTcpAddress(multiaddr.toString())?.host ?? '');
  } catch {
    return []; // none was brought yet
  }
}

/** Opens streams on the connection of the control stream alone: of that one both sides know that it stays. */
function streamsOfMembers(node: Node, members: Members): ConstructorParameters<typeof StreamLaneHub>[0] {
  return {
    peerId: node.peerId,
    handle: node.handle.bind(node),
    unhandle: node.unhandle.bind(node),
    dialProtocol: async (peer, protocols, options) => await members.require(String(peer)).connection.newStream(protocols, options),
  };
}
