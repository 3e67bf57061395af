import type { Connection, Stream } from '@libp2p/interface';
import { LayerswarmError } from '../../errors.ts';
import type { LaneTransport } from '../lane/lane-transport.ts';
import { MAX_THREADS, parseRoute, routeTo, type Route } from '../lane/route.ts';
import { StreamTransport } from '../lane/stream-transport.ts';
import type { Node } from './libp2p-node.ts';
import type { Members } from './members.ts';

/** Between these threads of the two sides: `from` opens it. */
export function laneProtocol(from: number, to: number): string {
  return `/layerswarm/lane/4/${from}/${to}`;
}

/** Of one protocol: one lane for each side's requests, and those that they replaced and that are not done yet. */
const MAX_STREAMS = 8;

/** Streams for lanes on the connections of members: nobody else gets one, and they end with the membership. */
export class MemberStreams {
  /** A thread of a member opened one to one of this node's. Set once. */
  onOpened: ((route: Route, thread: number, transport: LaneTransport) => void) | undefined;
  /** Bulk threads of this node. */
  readonly threads: number;
  #members: Members | undefined;

  constructor(threads = 1) {
    this.threads = threads;
  }

  async start(node: Node, members: Members): Promise<void> {
    this.#members = members;
    for (const [from, to] of this.#pairs()) {
      await node.handle(
        laneProtocol(from, to),
        (stream, connection) => {
          this.#onStream(stream, connection, from, to);
        },
        { maxInboundStreams: MAX_STREAMS, maxOutboundStreams: MAX_STREAMS },
      );
    }
  }

  async stop(node: Node): Promise<void> {
    await node.unhandle(Array.from(this.#pairs(), ([from, to]) => laneProtocol(from, to)));
  }

  /** From one of this node's threads, on the connection of the control stream alone: of that one both sides know that it stays. */
  async open(thread: number, route: Route, signal: AbortSignal): Promise<LaneTransport> {
    const { peerId, thread: to } = parseRoute(route);
    if (this.#members === undefined) throw new LayerswarmError('peer-gone', 'the network is not running');
    try {
      return new StreamTransport(await this.#members.require(peerId).connection.newStream(laneProtocol(thread, to), { signal }));
    } catch (cause) {
      throw new LayerswarmError('peer-gone', `peer ${peerId} takes no lane`, { cause });
    }
  }

  *#pairs(): Generator<readonly [from: number, to: number]> {
    for (let from = 0; from < MAX_THREADS; from++) for (let to = 0; to < this.threads; to++) yield [from, to];
  }

  #onStream(stream: Stream, connection: Connection, from: number, to: number): void {
    const peerId = connection.remotePeer.toString();
    if (this.#members?.get(peerId) === undefined || this.onOpened === undefined)
      stream.abort(new LayerswarmError('denied', `peer ${peerId} may not open a lane`));
    else this.onOpened(routeTo(peerId, from), to, new StreamTransport(stream));
  }
}
