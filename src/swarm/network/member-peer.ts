import type { Connection } from '@libp2p/interface';
import type { LaneUse } from '../lane/lane-use.ts';
import type { MessageOf } from '../protocol/message.ts';
import type { CharterAnnouncement, OriginAnnouncement, Peer } from './network.ts';

const NAME = /^[A-Za-z0-9._-]{1,100}$/;

/** A connected member as the rest of the program sees it; its control stream keeps it up to date. */
export class MemberPeer implements Peer {
  readonly peerId: string;
  readonly address: string;
  readonly direction: 'inbound' | 'outbound';
  /** Milliseconds since the epoch. */
  readonly joinedAt = Date.now();
  zone = '';
  name = '';
  agent = '';
  origin: OriginAnnouncement | undefined;
  charter: CharterAnnouncement | undefined;
  latencyMs: number | undefined;
  bulkThreads = 1;
  /** Bytes of frames on the control stream. */
  readonly control = { sent: 0, received: 0 };
  #lanes: LaneUse | undefined;
  /** The peer's clock less this process's monotonic one, as it said hello. */
  #clockOffset: number | undefined;

  constructor(connection: Connection) {
    this.peerId = connection.remotePeer.toString();
    this.address = connection.remoteAddr.toString();
    this.direction = connection.direction;
  }

  /** The best kind of lane that is open. */
  get lane(): Peer['lane'] {
    return this.#lanes?.kind ?? 'none';
  }

  get sentBytes(): number {
    return this.control.sent + (this.#lanes?.sentBytes ?? 0);
  }

  get receivedBytes(): number {
    return this.control.received + (this.#lanes?.receivedBytes ?? 0);
  }

  /** What the peer says of itself. Names come from strangers: what could not be one is left out. */
  greeted({ zone, name = '', agent, time, origin, charter, bulkThreads = 1 }: MessageOf<'hello'>): void {
    this.zone = zone;
    this.name = NAME.test(name) ? name : '';
    this.agent = agent;
    this.bulkThreads = bulkThreads;
    this.origin = origin;
    this.charter = charter;
    this.#clockOffset = time === undefined ? undefined : time - performance.now();
  }

  get clockAheadMs(): number | undefined {
    return this.#clockOffset === undefined ? undefined : Date.now() - (this.#clockOffset + performance.now());
  }

  showLanes(use: LaneUse): void {
    this.#lanes = use;
  }
}
