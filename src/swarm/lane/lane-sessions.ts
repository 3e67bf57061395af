import { LaneSession } from './lane-session.ts';
import type { LaneTransport } from './lane-transport.ts';
import type { Lane, LaneSource } from './lane.ts';
import type { Bandwidth } from './pace/bandwidth.ts';
import type { LaneWords } from './lane-words.ts';
import { SessionLane } from './session-lane.ts';
import { UploadSlots } from './upload-slots.ts';

export interface LaneSessionsOptions {
  readonly source: LaneSource;
  /** Where lanes carry bytes alone, nothing. */
  readonly words?: LaneWords | undefined;
  readonly stallMs?: number | undefined;
  readonly idleMs?: number | undefined;
  readonly bandwidth?: Bandwidth | undefined;
}

export interface NewLane {
  readonly peerId: string;
  readonly kind: Lane['kind'];
  readonly role: 'opener' | 'acceptor';
  /** IP address of the peer, or the group of addresses that it counts to. */
  readonly host: string;
}

/** What went over the lanes to one peer since it is a member, and the best kind of lane that is open. */
export interface LaneUse {
  readonly peerId: string;
  readonly kind: Lane['kind'] | 'none';
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

interface PeerLanes {
  readonly open: Set<SessionLane>;
  /** Of lanes that have ended. */
  sent: number;
  received: number;
}

/** All lanes of this node, whatever carries them: they share what may be uploaded at a time, and how fast. */
export class LaneSessions {
  readonly #options: LaneSessionsOptions;
  readonly #slots = new UploadSlots();
  readonly #peers = new Map<string, PeerLanes>();

  constructor(options: LaneSessionsOptions) {
    this.#options = options;
  }

  attach(transport: LaneTransport, { peerId, kind, role, host }: NewLane): SessionLane {
    const { source, stallMs, idleMs, bandwidth, words } = this.#options;
    const lanes = this.#of(peerId);
    const session = new LaneSession(transport, {
      peerId, role, host, stallMs, idleMs, bandwidth,
      source: { read: (blob, range) => source.read(peerId, blob, range) },
      words: {
        heard: (frame) => words?.heard(peerId, host, frame),
        awaits: (id) => words?.awaits(peerId, id) === true,
      },
      slots: this.#slots,
      onDraining: () => { lane.onRetired?.(); },
      onClosed: () => {
        lanes.open.delete(lane);
        lanes.sent += lane.sentBytes;
        lanes.received += lane.receivedBytes;
      },
    });
    const lane = new SessionLane(kind, session);
    lanes.open.add(lane);
    return lane;
  }

  *uses(): Iterable<LaneUse> {
    for (const [peerId, { open, sent, received }] of this.#peers) {
      let [kind, sentBytes, receivedBytes]: [LaneUse['kind'], number, number] = ['none', sent, received];
      for (const lane of open) {
        if (kind !== 'tls') ({ kind } = lane);
        sentBytes += lane.sentBytes;
        receivedBytes += lane.receivedBytes;
      }
      yield { peerId, kind, sentBytes, receivedBytes };
    }
  }

  /** As `UploadSlots.load`. */
  get load(): UploadSlots['load'] {
    return this.#slots.load;
  }

  /** A lane to the peer, whoever opened it, on which nothing would have to wait behind bytes that the peer asked for. */
  idle(peerId: string): SessionLane | undefined {
    for (const lane of this.#peers.get(peerId)?.open ?? []) if (lane.isOpen && lane.isIdle) return lane;
    return undefined;
  }

  /** The peer is no member any longer. */
  forget(peerId: string): void {
    for (const lane of this.#peers.get(peerId)?.open ?? []) void lane.close();
    this.#peers.delete(peerId);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#peers.values()].flatMap(({ open }) => [...open].map(async (lane) => { await lane.close(); })));
  }

  #of(peerId: string): PeerLanes {
    let lanes = this.#peers.get(peerId);
    if (lanes === undefined) {
      lanes = { open: new Set(), sent: 0, received: 0 };
      this.#peers.set(peerId, lanes);
    }
    return lanes;
  }
}
