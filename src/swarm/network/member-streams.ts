import type { Connection, Stream } from '@libp2p/interface';
import { LayerswarmError } from '../../errors.ts';
import type { LaneTransport } from '../lane/lane-transport.ts';
import type { LaneStreams } from '../lane/stream-lane-hub.ts';
import { StreamTransport } from '../lane/stream-transport.ts';
import type { Node } from './libp2p-node.ts';
import type { Members } from './members.ts';

export const LANE_PROTOCOL = '/layerswarm/lane/3';
/** One lane for each side's requests, and those that they replaced and that are not done yet. */
const MAX_STREAMS = 8;

/** Streams for lanes on the connections of members: nobody else gets one, and they end with the membership. */
export class MemberStreams implements LaneStreams {
  onOpened: ((peerId: string, transport: LaneTransport) => void) | undefined;
  #members: Members | undefined;

  async start(node: Node, members: Members): Promise<void> {
    this.#members = members;
    await node.handle(LANE_PROTOCOL, (stream, connection) => { this.#onStream(stream, connection); }, { maxInboundStreams: MAX_STREAMS, maxOutboundStreams: MAX_STREAMS });
  }

  async stop(node: Node): Promise<void> {
    await node.unhandle(LANE_PROTOCOL);
  }

  /** On the connection of the control stream alone: of that one both sides know that it stays. */
  async open(peerId: string, signal: AbortSignal): Promise<LaneTransport> {
    if (this.#members === undefined) throw new LayerswarmError('peer-gone', 'the network is not running');
    try {
      return new StreamTransport(await this.#members.require(peerId).connection.newStream(LANE_PROTOCOL, { signal }));
    } catch (cause) {
      throw new LayerswarmError('peer-gone', `peer ${peerId} takes no lane`, { cause });
    }
  }

  #onStream(stream: Stream, connection: Connection): void {
    const peerId = connection.remotePeer.toString();
    if (this.#members?.get(peerId) === undefined || this.onOpened === undefined) stream.abort(new LayerswarmError('denied', `peer ${peerId} may not open a lane`));
    else this.onOpened(peerId, new StreamTransport(stream));
  }
}
