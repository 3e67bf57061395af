import { LayerswarmError } from '../../errors.ts';
import type { LaneTransport } from '../lane/lane-transport.ts';
import { parseRoute, type Route } from '../lane/route.ts';
import type { MemberStreams } from '../network/member-streams.ts';
import type { Network, Peer } from '../network/network.ts';
import type { RecordedHosts } from '../network/own-offers.ts';
import type { Handlers, PortRpc } from './port-rpc.ts';
import type { Message } from '../protocol/message.ts';
import type { MainMethods, PeerSnapshot, WorkerMethods } from './thread-protocol.ts';

type NetworkMethods = Pick<
  MainMethods,
  | 'send'
  | 'request'
  | 'ban'
  | 'misbehaved'
  | 'nextProvider'
  | 'endSearch'
  | 'recordedHosts'
  | 'findClosest'
  | 'openStream'
  | 'streamSend'
  | 'streamPause'
  | 'streamEnd'
  | 'streamDestroy'
>;

interface Search {
  readonly found: AsyncIterator<string>;
  readonly abort: AbortController;
}

export interface ThreadNetworkOptions {
  readonly network: Network;
  readonly streams: Pick<MemberStreams, 'open'>;
  readonly recordedHosts: RecordedHosts;
  /** Number of the bulk thread. */
  readonly thread: number;
  worker(): PortRpc<MainMethods, WorkerMethods>;
}

/** What a bulk thread says to members, and they to it, over the connections of this thread. */
export class ThreadNetwork {
  readonly #network: Network;
  readonly #options: ThreadNetworkOptions;
  readonly #searches = new Map<number, Search>();
  readonly #open = new Map<number, LaneTransport>();
  readonly #unsubscribe: () => void;
  #nextStream = 1;

  constructor(options: ThreadNetworkOptions) {
    this.#options = options;
    this.#network = options.network;
    this.#unsubscribe = this.#network.onPeer((event, peer) => {
      if (event === 'joined') this.#worker().notify('peerJoined', { peer: snapshot(peer) });
      else this.#worker().notify('peerLeft', { peerId: peer.peerId });
    });
  }

  readonly handlers: Handlers<NetworkMethods> = {
    send: ({ peerId, message }) => {
      this.#network.send(peerId, message);
    },
    request: async ({ peerId, message, answer, timeoutMs }, signal) =>
      await this.#network.request(peerId, message, answer, { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) }),
    ban: ({ peerId, reason, until }) => {
      this.#network.ban(peerId, reason, until);
    },
    misbehaved: ({ peerId, error }) => {
      this.#network.cut(peerId, new LayerswarmError('peer-misbehaved', error));
    },
    nextProvider: async ({ search: id, blob }) => {
      let search = this.#searches.get(id);
      if (search === undefined) {
        const abort = new AbortController();
        search = { abort, found: this.#network.findProviders(blob, abort.signal)[Symbol.asyncIterator]() };
        this.#searches.set(id, search);
      }
      const next = await search.found.next();
      return next.done === true ? undefined : next.value;
    },
    endSearch: ({ search }) => {
      this.#searches.get(search)?.abort.abort();
      this.#searches.delete(search);
    },
    recordedHosts: async ({ peerId }) => await this.#options.recordedHosts(peerId),
    findClosest: async ({ key }, signal) => await this.#network.findClosest(key, signal),
    openStream: async ({ stream, route }, signal) => {
      const { peerId } = parseRoute(route);
      if (this.#network.peer(peerId) === undefined) throw new LayerswarmError('peer-gone', `peer ${peerId} is not connected`);
      this.#pipe(stream, await this.#options.streams.open(this.#options.thread, route, signal));
    },
    streamSend: ({ stream, bytes }) => {
      const transport = this.#open.get(stream);
      if (transport === undefined) return;
      let hasRoom = true;
      for (const part of bytes) hasRoom = transport.send(part);
      if (hasRoom) this.#worker().notify('streamDrained', { stream });
    },
    streamPause: ({ stream, paused }) => {
      if (paused) this.#open.get(stream)?.pause();
      else this.#open.get(stream)?.resume();
    },
    streamEnd: ({ stream }) => {
      void this.#open.get(stream)?.end();
    },
    streamDestroy: ({ stream, error }) => {
      this.#open.get(stream)?.destroy(new LayerswarmError('peer-gone', error));
    },
  };

  /** A member says something that is for the thread. */
  async message(from: string, message: Message): Promise<Message | undefined> {
    return await this.#worker().call('message', { from, message });
  }

  /** A thread of a member opened a lane to the thread. */
  accept(route: Route, transport: LaneTransport): void {
    // Odd ones are this side's.
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.#worker().notify('streamOpened', { stream, route });
    this.#pipe(stream, transport);
  }

  /** Tells a thread that is new of the members that are here. */
  introduce(): void {
    for (const peer of this.#network.peers()) this.#worker().notify('peerJoined', { peer: snapshot(peer) });
  }

  /** Tells the thread how far members are away, by what was measured last. */
  tellLatencies(): void {
    this.#worker().notify(
      'latencies',
      this.#network.peers().map(({ peerId, latencyMs }) => [peerId, latencyMs] as const),
    );
  }

  /** The thread is gone. */
  drop(): void {
    for (const { abort } of this.#searches.values()) abort.abort();
    this.#searches.clear();
    for (const transport of this.#open.values()) transport.destroy(new LayerswarmError('peer-gone', 'the bulk thread has ended'));
    this.#open.clear();
  }

  close(): void {
    this.#unsubscribe();
    this.drop();
  }

  #worker(): PortRpc<MainMethods, WorkerMethods> {
    return this.#options.worker();
  }

  #pipe(stream: number, transport: LaneTransport): void {
    this.#open.set(stream, transport);
    transport.handler = {
      onData: (chunk) => {
        const bytes = Uint8Array.from(chunk);
        this.#worker().notify('streamData', { stream, bytes });
        return true;
      },
      onDrain: () => {
        this.#worker().notify('streamDrained', { stream });
      },
      onClose: (error) => {
        if (!this.#open.delete(stream)) return;
        this.#worker().notify('streamClosed', { stream, error: error?.message });
      },
    };
  }
}

function snapshot({ peerId, name, agent, address, direction, zone, origin, latencyMs, bulkThreads }: Peer): PeerSnapshot {
  return { peerId, name, agent, address, direction, zone, origin, latencyMs, bulkThreads };
}
