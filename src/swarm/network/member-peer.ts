import type { Connection } from '@libp2p/interface';
import type { Lane } from '../lane/lane.ts';
import type { OriginAnnouncement, Peer } from './network.ts';

/** A connected member as the rest of the program sees it; its session keeps it up to date. */
export class MemberPeer implements Peer {
  readonly peerId: string;
  readonly address: string;
  readonly direction: 'inbound' | 'outbound';
  zone = '';
  origin: OriginAnnouncement | undefined;
  latencyMs: number | undefined;
  /** Bytes of frames on the control stream. */
  readonly control = { sent: 0, received: 0 };
  readonly #formerLanes = { sent: 0, received: 0 };
  #lane: Lane | undefined;

  constructor(connection: Connection) {
    this.peerId = connection.remotePeer.toString();
    this.address = connection.remoteAddr.toString();
    this.direction = connection.direction;
  }

  get lane(): Peer['lane'] {
    return this.#lane?.kind ?? 'none';
  }

  get sentBytes(): number {
    return this.control.sent + this.#formerLanes.sent + (this.#lane?.sentBytes ?? 0);
  }

  get receivedBytes(): number {
    return this.control.received + this.#formerLanes.received + (this.#lane?.receivedBytes ?? 0);
  }

  useLane(lane: Lane | undefined): void {
    this.#formerLanes.sent += this.#lane?.sentBytes ?? 0;
    this.#formerLanes.received += this.#lane?.receivedBytes ?? 0;
    this.#lane = lane;
  }
}
