import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import type { LaneUse } from '../lane/lane-use.ts';
import type { Message, MessageOf, MessageType } from '../protocol/message.ts';
import { Bans } from './bans.ts';
import type { ContentRouting } from './content-routing.ts';
import { parseBootstrapAddress, type BootstrapAddress } from './discovery/bootstrap-address.ts';
import type { Discovery } from './discovery/discovery.ts';
import { Gater } from './gater.ts';
import { Handshakes } from './handshakes.ts';
import { MessageHandlers, type MessageHandler } from './handlers.ts';
import { createNode } from './libp2p-node.ts';
import { certifiedHosts, tagConnection } from './libp2p-peer-store.ts';
import type { MemberCounts } from './members.ts';
import { MemberStreams } from './member-streams.ts';
import type { MemberPeer } from './member-peer.ts';
import { checkReachable, staysOnThisHost, type NetworkOptions } from './network-options.ts';
import { connectParts, makeParts, type NetworkParts } from './network-parts.ts';
import type { Ban, CharterAnnouncement, Network, OriginAnnouncement, Peer } from './network.ts';
import { PeerKey, verifySignature } from './peer-key.ts';
import { PeerWarnings } from './peer-warnings.ts';
import { findClosest, findProviders, type MemberSearchOptions } from './provider-search.ts';
import { PROTOCOL_VERSION, type ControlStream } from './control-stream.ts';

/** Nodes that all know each other, as far as memory allows: a connection takes about half a megabyte. */
const DEFAULT_MAX_NEIGHBOURS = 256;
/** Room for those who are on their way in or out. */
const SPARE_CONNECTIONS = 64;
/** A node dials until it has this part of its neighbours, and leaves the rest of the places to those who dial it. */
const DIALLED_SHARE = 0.75;
const MAX_LISTEN_ADDRESSES = 16;
const STOP_LIMIT_MS = 1500;

type State =
  | { readonly kind: 'new' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly parts: NetworkParts }
  | { readonly kind: 'stopped' };

/** The network over libp2p. */
export class Libp2pNetwork implements Network {
  readonly self: string;
  readonly #options: NetworkOptions;
  readonly #key: PeerKey;
  readonly #bans: Bans;
  readonly #gater: Gater;
  /** Handshakes with whoever is no member. */
  readonly handshakes: Handshakes;
  readonly #handlers = new MessageHandlers();
  readonly #warnings: PeerWarnings;
  readonly #listeners = new Set<(event: 'joined' | 'left', peer: Peer) => void>();
  readonly #bootstrap: readonly BootstrapAddress[];
  readonly #maxNeighbours: number;
  #state: State = { kind: 'new' };
  readonly #streams: MemberStreams;
  #origin: OriginAnnouncement | undefined;
  #charter: CharterAnnouncement | undefined;
  /** What the store held before the network started. */
  readonly #toProvide = new Set<string>();

  private constructor(options: NetworkOptions, key: PeerKey, bans: Bans) {
    this.#options = options;
    this.#streams = new MemberStreams(options.bulkThreads);
    this.#key = key;
    this.self = key.peerId;
    this.#bans = bans;
    this.#warnings = new PeerWarnings((line) => options.onWarning?.(line));
    this.handshakes = new Handshakes((address) => {
      this.#warnings.otherKey(address, options.swarmKeys?.[0]?.id);
    });
    this.#gater = new Gater(bans, { loopbackOnly: staysOnThisHost(options), listen: options.listen });
    this.#bootstrap = (options.bootstrap ?? []).map(parseBootstrapAddress);
    this.#maxNeighbours = options.maxNeighbours ?? DEFAULT_MAX_NEIGHBOURS;
    this.handle('ping', () => undefined);
    this.handle('get-peers', (_message, from) => this.#running().discovery.answerPeers(from.peerId));
  }

  /** Reads or makes the peer key. Nothing is on the network before `start`. @throws `key-invalid`, `store-unwritable`, `config-invalid` */
  static async create(options: NetworkOptions): Promise<Libp2pNetwork> {
    const folder = join(options.dataDir, 'network');
    const bans = new Bans(join(folder, 'bans.json'), Date.now, (line) => {
      options.onWarning?.(line);
    });
    const key = await PeerKey.loadOrMake(join(folder, 'peer.key'));
    await bans.load();
    return new Libp2pNetwork(options, key, bans);
  }

  /** Listens, and looks for members from now on. @throws `port-taken`, `config-invalid` */
  async start(): Promise<void> {
    if (this.#state.kind !== 'new') throw new LayerswarmError('internal', 'the network was started already');
    this.#state = { kind: 'starting' };
    const { listen, announce = [], swarmKeys = [], agent = 'layerswarm' } = this.#options;
    checkReachable(this.#options);
    const node = await createNode({
      peerKey: this.#key,
      swarmKeys,
      listen,
      announce,
      maxConnections: this.#maxNeighbours + SPARE_CONNECTIONS,
      gater: this.#gater,
      leadsOut: (host) => this.#gater.leadsOut(host),
      agent,
      handshakes: this.handshakes,
    });
    const parts = makeParts(node, {
      self: this.self,
      options: this.#options,
      bootstrap: this.#bootstrap,
      gater: this.#gater,
      handlers: this.#handlers,
      maxNeighbours: this.#maxNeighbours,
      dialled: this.#dialled,
      hello: () => this.#hello(),
      warn: (line) => this.#options.onWarning?.(line),
      events: {
        onJoined: (control) => {
          this.#onJoined(control);
        },
        onLeft: (control) => {
          this.#onLeft(control);
        },
        onCut: (peerId, reason) => {
          this.#onCut(peerId, reason);
        },
      },
    });
    try {
      this.#state = { kind: 'running', parts };
      await connectParts(parts);
      await this.#streams.start(node, parts.members);
      await node.start();
      await parts.discovery.start();
      for (const blob of this.#toProvide) parts.content.provide(blob);
      this.#toProvide.clear();
      parts.neighbours.start();
    } catch (cause) {
      await this.stop();
      throw cause instanceof LayerswarmError
        ? cause
        : new LayerswarmError('config-invalid', `the network cannot start on ${listen.join(', ')}`, { cause });
    }
  }

  /** Says goodbye to every member. */
  async stop(): Promise<void> {
    const state = this.#state;
    this.#state = { kind: 'stopped' };
    if (state.kind === 'running') {
      const { node, members, discovery, content, neighbours } = state.parts;
      neighbours.stop();
      content.stop();
      const discovered = discovery.stop();
      members.stop();
      const stopped = Promise.all([discovered, this.#streams.stop(node)]).then(() => node.stop());
      // It waits for handshakes that are under way, on a busy host for longer than an agent's stop may take.
      await Promise.race([stopped, delay(STOP_LIMIT_MS, undefined, { ref: false })]);
    }
    await this.#bans.close();
  }

  /** Where this node can be dialled, with its peer id. */
  multiaddrs(): string[] {
    return this.#state.kind === 'running' ? this.#state.parts.node.getMultiaddrs().map((address) => address.toString()) : [];
  }

  /** What peers did wrong since the start. */
  counts(): MemberCounts {
    return this.#state.kind === 'running'
      ? { ...this.#state.parts.members.counts }
      : { invalidMessages: 0, helloTimeouts: 0, queueOverflows: 0, silent: 0, unknownMessages: 0 };
  }

  /** Connections that have not shown the key yet. */
  get strangers(): number {
    return this.#gater.places.taken;
  }

  peers(): readonly Peer[] {
    return this.#neighbours();
  }

  /** Members that are connected, or were in the last `ms`, in an earlier run too. */
  membersWithin(ms: number): number {
    return this.#state.kind === 'running' ? this.#state.parts.discovery.membersSince(Date.now() - ms).size : 0;
  }

  peer(peerId: string): Peer | undefined {
    return this.#control(peerId)?.peer;
  }

  onPeer(listener: (event: 'joined' | 'left', peer: Peer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  send(peerId: string, message: Message): void {
    this.#control(peerId)?.send(message);
  }

  async request<T extends MessageType>(
    peerId: string,
    message: Message,
    answer: T,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<MessageOf<T>> {
    return await this.#member(peerId).request(message, answer, options);
  }

  handle<T extends MessageType>(type: T, handler: MessageHandler<T>): void {
    this.#handlers.set(type, handler);
  }

  announceOrigin(origin: OriginAnnouncement | undefined): void {
    this.#origin = origin;
    if (this.#state.kind !== 'running') return;
    for (const control of this.#state.parts.members.joined()) control.send({ type: 'origin-changed', origin });
  }

  announceCharter(charter: CharterAnnouncement): void {
    this.#charter = charter;
    if (this.#state.kind !== 'running') return;
    for (const control of this.#state.parts.members.joined()) control.send({ type: 'charter-changed', charter });
  }

  /** Streams for lanes to members. */
  get streams(): MemberStreams {
    return this.#streams;
  }

  /** The hosts in what the peer signed itself, the record that identify brings. Never throws. */
  async recordedHosts(peerId: string): Promise<readonly string[]> {
    return this.#state.kind === 'running' ? await certifiedHosts(this.#state.parts.node, peerId) : [];
  }

  /** Signs in another thread what this one may sign. PKCS #8 in PEM. */
  get peerKey(): string {
    return this.#key.pem;
  }

  /** What went over lanes, for `peers`. */
  showLanes(uses: readonly LaneUse[]): void {
    for (const use of uses) this.#control(use.peerId)?.peer.showLanes(use);
  }

  // oxlint-disable-next-line typescript/require-await -- the interface allows for a key that is elsewhere
  async sign(bytes: Uint8Array): Promise<Uint8Array> {
    return this.#key.sign(bytes);
  }

  // oxlint-disable-next-line typescript/require-await -- as above
  async verify(peerId: string, bytes: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return verifySignature(peerId, bytes, signature);
  }

  ban(peerId: string, reason: string, until: number): void {
    this.#bans.add({ peerId, reason, until }, this.peer(peerId)?.address);
    if (this.#state.kind === 'running')
      this.#state.parts.members.cut(peerId, new LayerswarmError('peer-gone', `peer ${peerId} is banned: ${reason}`));
  }

  /** Since the start, by reason. */
  banCounts(): ReadonlyMap<string, number> {
    return this.#bans.counts;
  }

  cut(peerId: string, reason: LayerswarmError): void {
    if (this.#state.kind === 'running') this.#state.parts.members.cut(peerId, reason);
  }

  bans(): readonly Ban[] {
    return this.#bans.list();
  }

  async *findProviders(blob: string, signal: AbortSignal): AsyncGenerator<string> {
    if (this.#state.kind !== 'running' || this.peers().length === 0) return;
    const { content, discovery } = this.#state.parts;
    yield* findProviders(this.#searchOptions(content, discovery), blob, signal);
  }

  async findClosest(key: Uint8Array, signal: AbortSignal): Promise<string | undefined> {
    if (this.#state.kind !== 'running' || this.peers().length < this.#dialled) return undefined;
    const { content, discovery } = this.#state.parts;
    return await findClosest(this.#searchOptions(content, discovery), key, signal);
  }

  provide(blob: string): void {
    if (this.#state.kind === 'running') this.#state.parts.content.provide(blob);
    else this.#toProvide.add(blob);
  }

  unprovide(blob: string): void {
    this.#toProvide.delete(blob);
    if (this.#state.kind === 'running') this.#state.parts.content.unprovide(blob);
  }

  /** Who has so many neighbours does not look for more: there may be members that it does not know. */
  get #dialled(): number {
    return Math.ceil(this.#maxNeighbours * DIALLED_SHARE);
  }

  #searchOptions(content: ContentRouting, discovery: Discovery): MemberSearchOptions {
    return {
      content,
      isMember: (peerId) => this.peer(peerId) !== undefined,
      refuses: (peerId) => peerId === this.self || this.#gater.refuses(peerId),
      onPeer: (listener) => this.onPeer(listener),
      offer: (addresses) => {
        discovery.offer(addresses, 'exchanged');
      },
    };
  }

  #hello(): MessageOf<'hello'> {
    const { zone = '', name = '', agent = 'layerswarm', bulkThreads } = this.#options;
    return {
      type: 'hello',
      version: PROTOCOL_VERSION,
      agent,
      zone,
      name,
      time: Date.now(),
      origin: this.#origin,
      charter: this.#charter,
      bulkThreads,
      listen: this.multiaddrs().slice(0, MAX_LISTEN_ADDRESSES),
    };
  }

  #onJoined(control: ControlStream): void {
    const { node, discovery, content } = this.#running();
    void tagConnection(node, control.peer.peerId, true);
    this.#gater.places.know(control.peer.address);
    discovery.onJoined(control.peer.peerId, control.hello?.listen ?? []);
    content.kick();
    this.#tell('joined', control.peer);
  }

  #onLeft(control: ControlStream): void {
    if (this.#state.kind === 'running') {
      void tagConnection(this.#state.parts.node, control.peer.peerId, false);
      this.#state.parts.discovery.onGone(control.peer.peerId, true);
    }
    this.#tell('left', control.peer);
  }

  #onCut(peerId: string, reason: LayerswarmError): void {
    if (reason.code === 'peer-misbehaved') {
      this.#gater.penalize(peerId);
      this.#warnings.cut(peerId, this.peer(peerId)?.name ?? '', reason);
    }
    if (reason.code === 'unsupported') this.#warnings.refused(peerId, reason);
    if (this.#state.kind === 'running') this.#state.parts.discovery.onGone(peerId, false);
  }

  #neighbours(): MemberPeer[] {
    return this.#state.kind === 'running' ? Array.from(this.#state.parts.members.joined(), (control) => control.peer) : [];
  }

  #tell(event: 'joined' | 'left', peer: Peer): void {
    for (const listener of this.#listeners) listener(event, peer);
  }

  #control(peerId: string): ControlStream | undefined {
    return this.#state.kind === 'running' ? this.#state.parts.members.get(peerId) : undefined;
  }

  #member(peerId: string): ControlStream {
    if (this.#state.kind !== 'running') throw new LayerswarmError('peer-gone', 'the network is not running');
    return this.#state.parts.members.require(peerId);
  }

  #running(): NetworkParts {
    if (this.#state.kind !== 'running') throw new LayerswarmError('unavailable', 'the network is not running');
    return this.#state.parts;
  }
}
