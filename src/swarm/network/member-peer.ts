import type { Connection } from '@libp2p/interface';
import type { Lane } from '../lane/lane.ts';
import type { MessageOf } from '../protocol/message.ts';
import type { OriginAnnouncement, Peer } from './network.ts';

const NAME = /^[A-Za-z0-9._-]{1,100}$/;

/** A connected member as the rest of the program sees it; its session keeps it up to date. */
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
  latencyMs: number | undefined;
  /** Bytes of frames on the control stream. */
  readonly control = { sent: 0, received: 0 };
  readonly #formerLanes = { sent: 0, received: 0 };
  readonly #lanes = new Map<Lane['kind'], Lane>();
  /** The peer's clock less this process's monotonic one, as it said hello. */
  #clockOffset: number | undefined;

  constructor(connection: Connection) {
    this.peerId = connection.remotePeer.toString();
    this.address = connection.remoteAddr.toString();
    this.direction = connection.direction;
  }

  /** The best lane that is open: a stream lane may stay beside the TLS lane that replaces it. */
  get lane(): Peer['lane'] {
    if (this.#lanes.has('tls')) return 'tls';
    return this.#lanes.has('stream') ? 'stream' : 'none';
  }

  get sentBytes(): number {
    let sum = this.control.sent + this.#formerLanes.sent;
    for (const lane of this.#lanes.values()) sum += lane.sentBytes;
    return sum;
  }

  get receivedBytes(): number {
    let sum = this.control.received + this.#formerLanes.received;
    for (const lane of this.#lanes.values()) sum += lane.receivedBytes;
    return sum;
  }

  /** What the peer says of itself. Names come from strangers: what could not be one is left out. */
  greeted({ zone, name = '', agent, time, origin }: MessageOf<'hello'>): void {
    this.zone = zone;
    this.name = NAME.test(name) ? name : '';
    this.agent = agent;
    this.origin = origin;
    this.#clockOffset = time === undefined ? undefined : time - performance.now();
  }

  get clockAheadMs(): number | undefined {
    return this.#clockOffset === undefined ? undefined : Date.now() - (this.#clockOffset + performance.now());
  }

  useLane(kind: Lane['kind'], lane: Lane | undefined): void {
    const former = this.#lanes.get(kind);
    this.#formerLanes.sent += former?.sentBytes ?? 0;
    this.#formerLanes.received += former?.receivedBytes ?? 0;
    if (lane === undefined) this.#lanes.delete(kind);
    else this.#lanes.set(kind, lane);
  }
}
