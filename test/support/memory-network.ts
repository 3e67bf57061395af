import { createHash } from 'node:crypto';
import { peerIdFromString } from '@libp2p/peer-id';
import { LayerswarmError } from '../../src/errors.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { Lane, LaneSource } from '../../src/swarm/lane/lane.ts';
import { PeerRpc } from '../../src/swarm/network/peer-rpc.ts';
import { MessageHandlers, type MessageHandler } from '../../src/swarm/network/handlers.ts';
import type { Ban, CharterAnnouncement, Network, OriginAnnouncement, Peer } from '../../src/swarm/network/network.ts';
import { PeerKey, verifySignature } from '../../src/swarm/network/peer-key.ts';
import { decodeFrame, encodeFrame, type Frame, type UnknownFrame } from '../../src/swarm/protocol/frame.ts';
import type { Message, MessageOf, MessageType } from '../../src/swarm/protocol/message.ts';
import { decodeWord, encodeWord, isWord } from '../../src/swarm/protocol/word.ts';
import { MemoryLane } from './memory-lane.ts';

/** What can go wrong between two nodes of a `MemorySwarm`; every hook may change while the test runs. */
export interface MemoryFaults {
  /** True: the message is lost. */
  drop?: (from: string, to: string, message: Message) => boolean;
  /** Milliseconds that a message takes; order is kept. Without it, delivery is in a later turn of the event loop. */
  delayMs?: (from: string, to: string) => number;
  /** Looks at each chunk on a lane before it is delivered: may wait, return other bytes, or throw. */
  chunk?: (from: string, to: string, chunk: Uint8Array) => Promise<Uint8Array> | Uint8Array;
}

export interface MemoryNodeOptions {
  zone?: string;
  origin?: OriginAnnouncement;
  /** Decides the peer id; without it one is drawn. */
  seed?: number;
  /** False: the test connects the node itself. */
  connect?: boolean;
}

/**
 * A swarm inside one process: every node is joined to every other unless told otherwise, messages pass through the real encoding,
 * lanes deliver from memory.
 */
export class MemorySwarm {
  readonly nodes: MemoryNetwork[] = [];
  readonly faults: MemoryFaults;
  /** What the DHT knows: digest to peer ids. */
  readonly providers = new Map<string, Set<string>>();

  constructor(faults: MemoryFaults = {}) {
    this.faults = faults;
  }

  async join(options: MemoryNodeOptions = {}): Promise<MemoryNetwork> {
    const key = options.seed === undefined ? await PeerKey.generate() : PeerKey.fromSeed(Buffer.alloc(32, `seed ${options.seed} `));
    const node = new MemoryNetwork(this, key, options);
    const others = this.nodes.filter((other) => !other.stopped);
    this.nodes.push(node);
    if (options.connect !== false) for (const other of others) this.connect(node, other);
    return node;
  }

  async joinAll(count: number, options: Omit<MemoryNodeOptions, 'seed'> = {}): Promise<MemoryNetwork[]> {
    const joined: MemoryNetwork[] = [];
    for (let i = 0; i < count; i++) joined.push(await this.join(options));
    return joined;
  }

  /** `a` dials `b`. Nothing happens when they are connected, or one refuses the other. */
  connect(a: MemoryNetwork, b: MemoryNetwork): void {
    if (a === b || a.peer(b.self) !== undefined || a.refuses(b.self) || b.refuses(a.self)) return;
    const connection = new AbortController();
    a.attach(b, 'outbound', connection);
    b.attach(a, 'inbound', connection);
    a.report('joined', b.self);
    b.report('joined', a.self);
  }

  /** Cuts the connection of `a` and `b`, as a failed cable would. */
  disconnect(a: MemoryNetwork, b: MemoryNetwork): void {
    a.detach(b.self);
    b.detach(a.self);
  }

  /** Cuts every connection of the node: it died. */
  isolate(node: MemoryNetwork): void {
    for (const other of this.nodes) this.disconnect(node, other);
  }

  find(peerId: string): MemoryNetwork | undefined {
    return this.nodes.find((node) => node.self === peerId);
  }
}

interface MemoryPeer {
  readonly peer: { -readonly [K in keyof Peer]: Peer[K] };
  readonly remote: MemoryNetwork;
  readonly rpc: PeerRpc;
  readonly connection: AbortController;
  /** Delivery of what was sent so far. */
  delivered: Promise<void>;
  lane: MemoryLane | undefined;
}

export class MemoryNetwork implements Network {
  readonly self: string;
  readonly zone: string;
  stopped = false;
  source: LaneSource | undefined;
  /** Every message that this node sent, for assertions. */
  readonly sent: { to: string; message: Message }[] = [];
  #origin: OriginAnnouncement | undefined;
  #charter: CharterAnnouncement | undefined;
  readonly #swarm: MemorySwarm;
  readonly #key: PeerKey;
  readonly #handlers = new MessageHandlers();
  readonly #overrides = new Map<MessageType, MessageHandler<MessageType>>();
  readonly #peers = new Map<string, MemoryPeer>();
  readonly #listeners = new Set<(event: 'joined' | 'left', peer: Peer) => void>();
  readonly #bans = new Map<string, Ban>();

  constructor(swarm: MemorySwarm, key: PeerKey, options: MemoryNodeOptions) {
    this.#swarm = swarm;
    this.#key = key;
    this.self = key.peerId;
    this.zone = options.zone ?? '';
    this.#origin = options.origin;
    this.handle('ping', () => undefined);
  }

  peers(): readonly Peer[] {
    return [...this.#peers.values()].map((entry) => entry.peer);
  }

  peer(peerId: string): Peer | undefined {
    return this.#peers.get(peerId)?.peer;
  }

  onPeer(listener: (event: 'joined' | 'left', peer: Peer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  send(peerId: string, message: Message): void {
    this.#peers.get(peerId)?.rpc.send(message);
  }

  async request<T extends MessageType>(
    peerId: string,
    message: Message,
    answer: T,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<MessageOf<T>> {
    return await this.#connected(peerId).rpc.request(message, answer, options);
  }

  handle<T extends MessageType>(type: T, handler: MessageHandler<T>): void {
    this.#handlers.set(type, (message, from) => ((this.#overrides.get(type) as MessageHandler<T> | undefined) ?? handler)(message, from));
  }

  /** Makes the node answer otherwise than it should. */
  override<T extends MessageType>(type: T, handler: MessageHandler<T>): void {
    this.#overrides.set(type, handler as unknown as MessageHandler<MessageType>);
  }

  announceOrigin(origin: OriginAnnouncement | undefined): void {
    this.#origin = origin;
    for (const entry of this.#peers.values()) entry.rpc.send({ type: 'origin-changed', origin });
  }

  announceCharter(charter: CharterAnnouncement): void {
    this.#charter = charter;
    for (const entry of this.#peers.values()) entry.rpc.send({ type: 'charter-changed', charter });
  }

  // oxlint-disable-next-line typescript/require-await -- the interface allows for a dial
  async lane(peerId: string, _blob: Digest, signal?: AbortSignal): Promise<Lane> {
    if (signal?.aborted === true) throw new LayerswarmError('aborted', 'opening a lane was aborted', { cause: signal.reason });
    const entry = this.#connected(peerId);
    entry.lane ??= new MemoryLane(this, entry.remote, this.#swarm.faults, entry.connection.signal, entry.peer);
    entry.peer.lane = 'stream';
    return entry.lane;
  }

  setLaneSource(source: LaneSource): void {
    this.source = source;
  }

  async sign(bytes: Uint8Array): Promise<Uint8Array> {
    return this.#key.sign(bytes);
  }

  async verify(peerId: string, bytes: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return verifySignature(peerId, bytes, signature);
  }

  ban(peerId: string, reason: string, until: number): void {
    this.#bans.set(peerId, { peerId, reason, until });
    this.cut(peerId);
  }

  cut(peerId: string): void {
    const remote = this.#peers.get(peerId)?.remote;
    if (remote !== undefined) this.#swarm.disconnect(this, remote);
  }

  bans(): readonly Ban[] {
    return [...this.#bans.values()].filter((ban) => ban.until > Date.now());
  }

  async *findProviders(blob: string, signal: AbortSignal): AsyncIterable<string> {
    for (const peerId of this.#swarm.providers.get(blob) ?? []) {
      const remote = this.#swarm.find(peerId);
      if (signal.aborted || remote === undefined || remote === this || remote.stopped) continue;
      this.#swarm.connect(this, remote);
      if (this.#peers.has(peerId)) yield peerId;
      await Promise.resolve();
    }
  }

  async findClosest(key: Uint8Array, signal: AbortSignal): Promise<string | undefined> {
    await Promise.resolve();
    const living = this.#swarm.nodes.filter(({ stopped, self }) => !stopped && self !== this.self);
    if (signal.aborted || living.every(({ self }) => this.#peers.has(self))) return undefined;
    const closest = living
      .map((node) => ({ node, distance: dhtDistance(node.self, key) }))
      .sort((a, b) => Buffer.compare(a.distance, b.distance))[0]?.node;
    if (closest === undefined || this.#peers.has(closest.self)) return undefined;
    this.#swarm.connect(this, closest);
    return this.#peers.has(closest.self) ? closest.self : undefined;
  }

  provide(blob: string): void {
    const providers = this.#swarm.providers.get(blob) ?? new Set();
    this.#swarm.providers.set(blob, providers.add(this.self));
  }

  unprovide(blob: string): void {
    this.#swarm.providers.get(blob)?.delete(this.self);
  }

  /** The node goes away for good: its peers see it leave. */
  stop(): void {
    this.stopped = true;
    this.#swarm.isolate(this);
  }

  refuses(peerId: string): boolean {
    return this.bans().some((ban) => ban.peerId === peerId);
  }

  attach(remote: MemoryNetwork, direction: Peer['direction'], connection: AbortController): void {
    const peer: MemoryPeer['peer'] = {
      peerId: remote.self,
      address: `/memory/${remote.self}`,
      direction,
      zone: remote.zone,
      name: '',
      agent: '',
      clockAheadMs: 0,
      origin: remote.#origin,
      charter: remote.#charter,
      latencyMs: 0,
      bulkThreads: 1,
      lane: 'none',
      sentBytes: 0,
      receivedBytes: 0,
    };
    const rpc = new PeerRpc(peer, this.#handlers, (frame) => {
      this.#deliver(entry, frame);
    });
    const entry: MemoryPeer = { peer, remote, rpc, connection, delivered: Promise.resolve(), lane: undefined };
    this.#peers.set(remote.self, entry);
  }

  detach(peerId: string): void {
    const entry = this.#peers.get(peerId);
    if (entry === undefined) return;
    const gone = new LayerswarmError('peer-gone', `peer ${peerId} is gone`);
    this.#peers.delete(peerId);
    entry.connection.abort(gone);
    entry.rpc.close(gone);
    this.#tell('left', entry.peer);
  }

  report(event: 'joined', peerId: string): void {
    const entry = this.#peers.get(peerId);
    if (entry !== undefined) this.#tell(event, entry.peer);
  }

  #connected(peerId: string): MemoryPeer {
    const entry = this.#peers.get(peerId);
    if (entry === undefined) throw new LayerswarmError('peer-gone', `peer ${peerId} is not connected`);
    return entry;
  }

  #tell(event: 'joined' | 'left', peer: Peer): void {
    for (const listener of this.#listeners) listener(event, peer);
  }

  #deliver(entry: MemoryPeer, frame: Frame): void {
    const { kind, id, message } = frame;
    const bytes = isWord(message) ? encodeWord(message) : encodeFrame(frame);
    this.sent.push({ to: entry.peer.peerId, message });
    entry.peer.sentBytes += bytes.length;
    if (this.#swarm.faults.drop?.(this.self, entry.peer.peerId, message) === true) return;
    const delay = this.#swarm.faults.delayMs?.(this.self, entry.peer.peerId);
    const due = new Promise<void>((resolve) => {
      if (delay === undefined) setImmediate(resolve);
      else setTimeout(resolve, delay);
    });
    entry.delivered = this.#arrive(entry, Promise.all([entry.delivered, due]), bytes, () =>
      isWord(message) ? { kind, id, message: decodeWord(bytes) } : decodeFrame(bytes),
    );
  }

  async #arrive(entry: MemoryPeer, due: Promise<unknown>, bytes: Uint8Array, decode: () => Frame | UnknownFrame): Promise<void> {
    await due;
    if (!entry.connection.signal.aborted) entry.remote.#receive(this.self, bytes.length, decode());
  }

  #receive(from: string, bytes: number, frame: Frame | UnknownFrame): void {
    const entry = this.#peers.get(from);
    if (entry === undefined) return;
    entry.peer.receivedBytes += bytes;
    if (frame.message === undefined) throw new Error('a node sent a message that none knows');
    if (frame.message.type === 'origin-changed') entry.peer.origin = frame.message.origin;
    if (frame.message.type === 'charter-changed') entry.peer.charter = frame.message.charter;
    void entry.rpc.receive(frame);
  }
}

/** As kad-dht has it: XOR of the SHA-256 of the peer id's bytes and of the key. */
function dhtDistance(peerId: string, key: Uint8Array): Buffer {
  const id = createHash('sha256').update(peerIdFromString(peerId).toMultihash().bytes).digest();
  const target = createHash('sha256').update(key).digest();
  return Buffer.from(id.map((byte, i) => byte ^ target[i]!));
}
