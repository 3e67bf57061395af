import { unlessAborted } from './abort.ts';
import type { Route } from './route.ts';
import type { SessionLane } from './session-lane.ts';

/**
 * The lanes on which this side makes requests, one to each thread of a peer and of one kind. All who want a lane share the opening of it;
 * whoever opens one makes its requests there, and the peer, for its own, opens another.
 */
export class LaneOpenings {
  readonly #open: (route: Route) => Promise<SessionLane>;
  readonly #lanes = new Map<string, SessionLane>();
  readonly #openings = new Map<string, Promise<SessionLane>>();

  constructor(open: (route: Route) => Promise<SessionLane>) {
    this.#open = open;
  }

  current(route: Route): SessionLane | undefined {
    return this.#lanes.get(route);
  }

  async lane(route: Route, signal?: AbortSignal): Promise<SessionLane> {
    return this.current(route) ?? (await unlessAborted(this.#openings.get(route) ?? this.#begin(route), signal));
  }

  /** Requests go over this lane from now on, while it takes any. */
  use(lane: SessionLane): void {
    const { route } = lane;
    if (!lane.isOpen) return;
    this.current(route)?.drain();
    this.#lanes.set(route, lane);
    lane.onRetired = () => {
      if (this.current(route) === lane) this.#lanes.delete(route);
    };
  }

  #begin(route: Route): Promise<SessionLane> {
    const opening = this.#openAndUse(route).finally(() => {
      this.#openings.delete(route);
    });
    this.#openings.set(route, opening);
    return opening;
  }

  async #openAndUse(route: Route): Promise<SessionLane> {
    const lane = await this.#open(route);
    this.use(lane);
    return lane;
  }
}
