import type { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Message, MessageOf, MessageType } from '../protocol/message.ts';
import type { Lane, LaneSource } from '../lane/lane.ts';

/** The members of the swarm that are connected. */
export interface ConnectedPeers {
  /** This node's peer id, base58. */
  readonly self: string;
  /** Members that are connected and have said hello. */
  peers(): readonly Peer[];
  peer(peerId: string): Peer | undefined;
  /** Returns the unsubscribe function. */
  onPeer(listener: (event: 'joined' | 'left', peer: Peer) => void): () => void;
}

/** What members say to each other. */
export interface PeerMessages {
  /**
   * Sends a message that wants no answer. Messages to one peer arrive in order. Never throws and never waits: a peer whose
   * queue is over its bound is disconnected, one that is gone is reported by `onPeer`. One message may be sent to many peers, and
   * must not change after it was sent.
   */
  send(peerId: string, message: Message): void;
  /** Sends a message and waits for its answer. @throws `peer-gone`, `timeout`, `aborted`, or the error that the peer answered */
  request<T extends MessageType>(
    peerId: string,
    message: Message,
    answer: T,
    options?: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<MessageOf<T>>;
  /**
   * Handles messages of one type; a type has one handler. What it returns answers a request, nothing is answered `ok`; a
   * LayerswarmError that it throws reaches the caller with its code where that has a meaning there, else as `unavailable`.
   * Handlers start in the order of their messages.
   */
  handle<T extends MessageType>(
    type: T,
    handler: (message: MessageOf<T>, from: Peer) => Promise<Message | undefined> | Message | undefined,
  ): void;
}

/** What most parts use: who is there, and the way to talk to them. */
export interface PeerNetwork extends ConnectedPeers, PeerMessages {}

/** What this node says of itself. */
export interface Announcements {
  /** Says to every member, and to those who join later, which origin this node uses or has learned. They see it in `Peer.origin`. */
  announceOrigin(origin: OriginAnnouncement | undefined): void;
  /** Says to every member, and to those who join later, which charter this node follows. They see it in `Peer.charter`. */
  announceCharter(charter: CharterAnnouncement): void;
}

export interface PeerSignatures {
  /** Signs with the peer key (Ed25519: 64 bytes). */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
  /** Checks a signature by the peer, who need not be connected (an Ed25519 peer id holds its public key). */
  verify(peerId: string, bytes: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

export interface PeerBans {
  /**
   * Disconnects a peer and refuses it until the time given (ms since the epoch). An address from which several peers are banned is
   * refused as a whole.
   */
  ban(peerId: string, reason: string, until: number): void;
  bans(): readonly Ban[];
  /** Disconnects a peer that broke the rules of a protocol, and counts that. */
  cut(peerId: string, reason: LayerswarmError): void;
}

/** Who holds what, by the DHT. */
export interface BlobProviders {
  /** Members that hold the whole blob, or once did, according to the DHT; connects to them. Best effort: ends with the signal. */
  findProviders(blob: string, signal: AbortSignal): AsyncIterable<string>;
  /**
   * Connects to the member whose id is closest to the key, as the DHT measures, and resolves with its id; undefined when none is closer
   * than the members that are connected, or cannot be reached. Returns at once while this node knows everyone. Best effort: never throws.
   */
  findClosest(key: Uint8Array, signal: AbortSignal): Promise<string | undefined>;
  /** Tells the DHT that this node holds, or no longer holds, a whole blob. Batched; never throws. Records that were given out end by themselves, in hours. */
  provide(blob: string): void;
  unprovide(blob: string): void;
}

/**
 * The swarm as a node has it. `Libp2pNetwork` is the real one, `MemoryNetwork` (under test) joins nodes of one process;
 * `test/unit/swarm/network/conformance.ts` runs on both.
 */
export interface Network extends PeerNetwork, Announcements, PeerSignatures, PeerBans, BlobProviders {}

/** What the exchange of blobs uses of the swarm: a `Network`, but for what only the node as a whole does, and the lanes. */
export interface BlobNetwork extends Pick<
  Network,
  'self' | 'peers' | 'peer' | 'onPeer' | 'send' | 'request' | 'handle' | 'sign' | 'verify' | 'ban' | 'findProviders' | 'findClosest'
> {
  /** A lane to where the peer has the blob, on which this node makes requests; the same one for all callers while it lives. @throws `peer-gone`, `timeout` */
  lane(peerId: string, blob: Digest, signal?: AbortSignal): Promise<Lane>;
  /** What this node serves on its lanes; set once, before any is open. */
  setLaneSource(source: LaneSource): void;
}

export interface Peer {
  readonly peerId: string;
  /** multiaddr of the connection. */
  readonly address: string;
  readonly direction: 'inbound' | 'outbound';
  readonly zone: string;
  /** What its operator calls it; empty where it did not say. */
  readonly name: string;
  /** Program and version, for people. */
  readonly agent: string;
  /** How far this node's clock is ahead of its, in ms; undefined where it did not say. */
  readonly clockAheadMs: number | undefined;
  /** The origin that it said it uses, or has learned; undefined while it knows none. */
  readonly origin: OriginAnnouncement | undefined;
  /** The charter that it said it follows; undefined where it knows of no operator. */
  readonly charter: CharterAnnouncement | undefined;
  /** Round-trip time; undefined before the first measurement. */
  readonly latencyMs: number | undefined;
  /** How many it has: each blob is in one. */
  readonly bulkThreads: number;
  readonly lane: 'none' | 'stream' | 'tls';
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** `configured`: that member's own configuration says so. `learned`: it has it from somebody else. */
export interface OriginAnnouncement {
  /** `https://host:port`, or `embedded:<peer id>`. */
  readonly url: string;
  readonly source: 'configured' | 'learned';
  /** What an embedded origin is called (`isOriginName`): believed of nobody but the node that holds it. */
  readonly name?: string | undefined;
}

export interface CharterAnnouncement {
  /** The operator's public key, as nodes are given it. */
  readonly key: string;
  /** 0 while it follows none. */
  readonly serial: number;
}

export interface Ban {
  readonly peerId: string;
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}
