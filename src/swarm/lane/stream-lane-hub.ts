import { onAbort } from '../../async/abort.ts';
import { LayerswarmError } from '../../errors.ts';
import { LaneOpenings } from './lane-openings.ts';
import type { LaneSessions } from './lane-sessions.ts';
import type { LaneTransport } from './lane-transport.ts';
import { parseRoute, type Route } from './route.ts';
import type { SessionLane } from './session-lane.ts';

/** From the wish for a lane to the peer's hello. */
export const DEFAULT_OPEN_TIMEOUT_MS = 10_000;

/** Streams for lanes, on the control connections between this node and its members. */
export interface LaneStreams {
  /** @throws `peer-gone` */
  open(route: Route, signal: AbortSignal): Promise<LaneTransport>;
  /** A thread of a member opened one. Set once. */
  onOpened: ((route: Route, transport: LaneTransport) => void) | undefined;
}

export interface StreamLaneOptions {
  readonly openTimeoutMs?: number | undefined;
  /** The host that a peer counts to where limits are by host; each peer is one by itself, if this is not set. */
  readonly hostOf?: ((peerId: string) => string) | undefined;
}

/** The lanes over streams on which this node makes requests, for peers whose bulk port cannot be reached or who have none. */
export class StreamLaneHub {
  readonly #streams: LaneStreams;
  readonly #sessions: LaneSessions;
  readonly #options: StreamLaneOptions;
  readonly #openings = new LaneOpenings(async (route) => await this.#open(route));

  constructor(streams: LaneStreams, sessions: LaneSessions, options: StreamLaneOptions = {}) {
    this.#streams = streams;
    this.#sessions = sessions;
    this.#options = options;
    streams.onOpened = (route, transport) => {
      this.#attach(route, transport, 'acceptor');
    };
  }

  /** The lane there that is open now. */
  current(route: Route): SessionLane | undefined {
    return this.#openings.current(route);
  }

  /** The lane there, the same one for all callers while it lives. @throws `peer-gone`, `timeout`, `aborted` */
  async lane(route: Route, signal?: AbortSignal): Promise<SessionLane> {
    return await this.#openings.lane(route, signal);
  }

  async #open(route: Route): Promise<SessionLane> {
    const openTimeoutMs = this.#options.openTimeoutMs ?? DEFAULT_OPEN_TIMEOUT_MS;
    const deadline = AbortSignal.timeout(openTimeoutMs);
    let lane: SessionLane | undefined;
    using _ = onAbort(deadline, () => {
      void lane?.close();
    });
    try {
      lane = this.#attach(route, await this.#streams.open(route, deadline), 'opener');
      await lane.ready;
      return lane;
    } catch (error) {
      if (deadline.aborted) throw new LayerswarmError('timeout', `no lane to peer ${route} within ${openTimeoutMs} ms`, { cause: error });
      throw error;
    }
  }

  #attach(route: Route, transport: LaneTransport, role: 'opener' | 'acceptor'): SessionLane {
    const { peerId } = parseRoute(route);
    return this.#sessions.attach(transport, { route, kind: 'stream', role, host: this.#options.hostOf?.(peerId) ?? peerId });
  }
}
