import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { LaneWords, type WordLane } from '../lane/lane-words.ts';
import type { Lane, LaneSource } from '../lane/lane.ts';
import { parseRoute, routeTo, threadOf, type Route } from '../lane/route.ts';
import { MessageHandlers, type MessageHandler } from '../network/handlers.ts';
import type { BlobNetwork, Peer } from '../network/network.ts';
import { type PeerKey, verifySignature } from '../network/peer-key.ts';
import type { Message, MessageOf, MessageType } from '../protocol/message.ts';
import { isWord, needsLane, type Word } from '../protocol/word.ts';
import type { PortRpc } from './port-rpc.ts';
import type { MainMethods, PeerSnapshot, WorkerMethods } from './thread-protocol.ts';

type NetworkMethods = Pick<WorkerMethods, 'peerJoined' | 'peerLeft' | 'latencies' | 'message'>;

export interface WorkerLanes {
  /** One that is open: best the one that this side asks on. */
  current(route: Route): WordLane | undefined;
  lane(route: Route, signal?: AbortSignal): Promise<Lane>;
}

/** The members as the bulk thread sees them: the main thread has the connections, this one the lanes. */
export class WorkerNetwork implements BlobNetwork {
  readonly self: string;
  source: LaneSource | undefined;
  /** Set once the lanes are there. */
  lanes: WorkerLanes | undefined;
  /** What is said about blobs goes on lanes. */
  readonly words: LaneWords;
  readonly #key: PeerKey;
  readonly #main: () => PortRpc<WorkerMethods, MainMethods>;
  readonly #handlers = new MessageHandlers();
  readonly #peers = new Map<string, { -readonly [K in keyof Peer]: Peer[K] }>();
  readonly #listeners = new Set<(event: 'joined' | 'left', peer: Peer) => void>();
  #searches = 0;

  constructor(key: PeerKey, main: () => PortRpc<WorkerMethods, MainMethods>) {
    this.self = key.peerId;
    this.#key = key;
    this.#main = main;
    this.words = new LaneWords({
      handlers: this.#handlers,
      peer: (peerId) => this.peer(peerId),
      current: (route) => this.lanes?.current(route),
      open: async (route) => await this.#lane(route),
      misbehaved: (peerId, error) => {
        this.#main().notify('misbehaved', { peerId, error: error.message });
      },
    });
  }

  readonly handlers = {
    peerJoined: ({ peer }: { peer: PeerSnapshot }): void => {
      if (this.#peers.has(peer.peerId)) return;
      const joined = { ...peer, clockAheadMs: undefined, charter: undefined, lane: 'none' as const, sentBytes: 0, receivedBytes: 0 };
      this.#peers.set(peer.peerId, joined);
      this.#tell('joined', joined);
    },
    peerLeft: ({ peerId }: { peerId: string }): void => {
      const left = this.#peers.get(peerId);
      this.#peers.delete(peerId);
      this.words.forget(peerId);
      if (left !== undefined) this.#tell('left', left);
    },
    latencies: (measured: NetworkMethods['latencies']['params']): void => {
      for (const [peerId, latencyMs] of measured) {
        const peer = this.#peers.get(peerId);
        if (peer !== undefined) peer.latencyMs = latencyMs;
      }
    },
    message: async ({ from, message }: { from: string; message: Message }): Promise<Message | undefined> => {
      const peer = this.#peers.get(from);
      // It left while this was on its way.
      if (peer === undefined) throw new LayerswarmError('peer-gone', `peer ${from} is not connected`);
      return await this.#handlers.handle(message, peer);
    },
  };

  peers(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  peer(peerId: string): Peer | undefined {
    return this.#peers.get(peerId);
  }

  onPeer(listener: (event: 'joined' | 'left', peer: Peer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  send(peerId: string, message: Message): void {
    const route = this.#laneFor(peerId, message);
    if (route !== undefined) this.words.send(route, message as Word);
    else this.#main().notify('send', { peerId, message });
  }

  async request<T extends MessageType>(
    peerId: string,
    message: Message,
    answer: T,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<MessageOf<T>> {
    const route = this.#laneFor(peerId, message);
    if (route !== undefined) return await this.words.request(route, message as Word, answer, options);
    // The next ones spare both main threads: who is asked for one blob is asked for the others of its image.
    if (message.type === 'find') this.#lane(this.#route(peerId, message.blobs[0]!)).catch(() => undefined);
    const { signal, timeoutMs } = options;
    // The type was compared by whoever received the answer.
    return (await this.#main().call('request', { peerId, message, answer, timeoutMs }, { signal })) as MessageOf<T>;
  }

  handle<T extends MessageType>(type: T, handler: MessageHandler<T>): void {
    this.#handlers.set(type, handler);
  }

  async lane(peerId: string, blob: Digest, signal?: AbortSignal): Promise<Lane> {
    return await this.#lane(this.#route(peerId, blob.toString()), signal);
  }

  setLaneSource(source: LaneSource): void {
    this.source = source;
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
    this.#main().notify('ban', { peerId, reason, until });
  }

  async *findProviders(blob: string, signal: AbortSignal): AsyncGenerator<string> {
    const search = this.#searches++;
    try {
      while (!signal.aborted) {
        const found = await this.#main().call('nextProvider', { search, blob }, { signal });
        if (found === undefined) return;
        yield found;
      }
    } catch {
      // Best effort: the signal has ended it, or the main thread has.
    } finally {
      this.#main().notify('endSearch', { search });
    }
  }

  async findClosest(key: Uint8Array, signal: AbortSignal): Promise<string | undefined> {
    return await this.#main()
      .call('findClosest', { key }, { signal })
      .catch(() => undefined);
  }

  async #lane(route: Route, signal?: AbortSignal): Promise<Lane> {
    const { peerId } = parseRoute(route);
    if (this.lanes === undefined || this.peer(peerId) === undefined)
      throw new LayerswarmError('peer-gone', `peer ${peerId} is not connected`);
    return await this.lanes.lane(route, signal);
  }

  /** To the thread in which the peer has the blob. */
  #route(peerId: string, blob: string): Route {
    return routeTo(peerId, threadOf(blob, this.peer(peerId)?.bulkThreads ?? 1));
  }

  /** The lane on which it is said; undefined: over the connection. */
  #laneFor(peerId: string, message: Message): Route | undefined {
    if (!isWord(message)) return undefined;
    const route = this.#route(peerId, blobOf(message));
    return needsLane(message) || this.lanes?.current(route) !== undefined ? route : undefined;
  }

  #tell(event: 'joined' | 'left', peer: Peer): void {
    for (const listener of this.#listeners) listener(event, peer);
  }
}

/** Answers alone are about none by themselves, and go where the question came from. */
function blobOf(word: Word): string {
  if ('blob' in word) return word.blob;
  if (word.type === 'find') return word.blobs[0]!;
  if (word.type === 'join') return word.holding.blob;
  throw new LayerswarmError('internal', `"${word.type}" is about no blob`);
}
