import { setTimeout as delay } from 'node:timers/promises';
import { FramePace, type FrameRates } from './frame-pace.ts';
import { LaneSession } from './lane-session.ts';
import type { LaneTransport } from './lane-transport.ts';
import { addUses, type LaneUse } from './lane-use.ts';
import type { Lane, LaneSource } from './lane.ts';
import type { Bandwidth } from './pace/bandwidth.ts';
import type { LaneWords } from './lane-words.ts';
import { parseRoute, routesTo, type Route } from './route.ts';
import { SessionLane } from './session-lane.ts';
import { UploadSlots, type SharedSlots } from './upload-slots.ts';

/** Requests and cancels, to one thread: whoever asks for pieces of 64 KiB one by one gets 500 MB in a second. */
export const ASKED_PER_SECOND: FrameRates = { peer: 8000, address: 32_000 };

export interface LaneSessionsOptions {
  readonly source: LaneSource;
  /** Where lanes carry bytes alone, nothing. */
  readonly words?: LaneWords | undefined;
  readonly stallMs?: number | undefined;
  readonly idleMs?: number | undefined;
  readonly bandwidth?: Bandwidth | undefined;
  /** With the node's other threads. */
  readonly slots?: SharedSlots | undefined;
  /** Milliseconds. */
  readonly now?: () => number;
}

export interface NewLane {
  readonly route: Route;
  readonly kind: Lane['kind'];
  readonly role: 'opener' | 'acceptor';
  /** IP address of the peer, or the group of addresses that it counts to. */
  readonly host: string;
}

interface RouteLanes {
  readonly open: Set<SessionLane>;
  /** Of lanes that have ended. */
  sent: number;
  received: number;
}

/** All lanes of a thread, whatever carries them: they share what may be uploaded at a time, and how fast. */
export class LaneSessions {
  readonly #options: LaneSessionsOptions;
  readonly #slots: UploadSlots;
  readonly #pace: FramePace;
  readonly #routes = new Map<Route, RouteLanes>();

  constructor(options: LaneSessionsOptions) {
    this.#options = options;
    this.#pace = new FramePace(ASKED_PER_SECOND, options.now);
    this.#slots = new UploadSlots(undefined, options.slots);
  }

  attach(transport: LaneTransport, { route, kind, role, host }: NewLane): SessionLane {
    const { source, stallMs, idleMs, bandwidth, words } = this.#options;
    const { peerId } = parseRoute(route);
    const lanes = this.#of(route);
    const session = new LaneSession(transport, {
      peerId,
      role,
      host,
      stallMs,
      idleMs,
      bandwidth,
      source: { read: (blob, range) => source.read(peerId, blob, range) },
      words: { heard: (frame) => words?.heard(route, host, frame), awaits: (id) => words?.awaits(route, id) === true },
      asked: () => {
        const waitMs = this.#pace.take(route, host);
        return waitMs === 0 ? undefined : delay(waitMs);
      },
      slots: this.#slots,
      onDraining: () => {
        lane.onRetired?.();
      },
      onClosed: () => {
        lanes.open.delete(lane);
        lanes.sent += lane.sentBytes;
        lanes.received += lane.receivedBytes;
      },
    });
    const lane = new SessionLane(kind, route, session);
    lanes.open.add(lane);
    return lane;
  }

  uses(): LaneUse[] {
    const uses = Array.from(this.#routes, ([route, { open, sent, received }]): LaneUse => {
      let [kind, sentBytes, receivedBytes]: [LaneUse['kind'], number, number] = ['none', sent, received];
      for (const lane of open) {
        if (kind !== 'tls') ({ kind } = lane);
        sentBytes += lane.sentBytes;
        receivedBytes += lane.receivedBytes;
      }
      return { peerId: parseRoute(route).peerId, kind, sentBytes, receivedBytes };
    });
    return addUses(uses);
  }

  /** As `UploadSlots.load`. */
  get load(): UploadSlots['load'] {
    return this.#slots.load;
  }

  /** A lane to the peer's thread, whoever opened it, on which nothing would have to wait behind bytes that the peer asked for. */
  idle(route: Route): SessionLane | undefined {
    for (const lane of this.#routes.get(route)?.open ?? []) if (lane.isOpen && lane.isIdle) return lane;
    return undefined;
  }

  /** The peer is no member any longer. */
  forget(peerId: string): void {
    this.#pace.forget(peerId);
    for (const route of routesTo(peerId)) {
      for (const lane of this.#routes.get(route)?.open ?? []) void lane.close();
      this.#routes.delete(route);
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#routes.values()].flatMap(({ open }) =>
        [...open].map(async (lane) => {
          await lane.close();
        }),
      ),
    );
  }

  #of(route: Route): RouteLanes {
    let lanes = this.#routes.get(route);
    if (lanes === undefined) {
      lanes = { open: new Set(), sent: 0, received: 0 };
      this.#routes.set(route, lanes);
    }
    return lanes;
  }
}
