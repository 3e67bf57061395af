import { unlessAborted } from './abort.ts';
import type { SessionLane } from './session-lane.ts';

/**
 * The lanes on which this side makes requests, one a peer and of one kind. All who want a lane to a peer share the opening of it; whoever
 * opens one makes its requests there, and the peer, for its own, opens another.
 */
export class LaneOpenings {
  readonly #open: (peerId: string) => Promise<SessionLane>;
  readonly #lanes = new Map<string, SessionLane>();
  readonly #openings = new Map<string, Promise<SessionLane>>();

  constructor(open: (peerId: string) => Promise<SessionLane>) {
    this.#open = open;
  }

  current(peerId: string): SessionLane | undefined {
    return this.#lanes.get(peerId);
  }

  async lane(peerId: string, signal?: AbortSignal): Promise<SessionLane> {
    return this.current(peerId) ?? await unlessAborted(this.#openings.get(peerId) ?? this.#begin(peerId), signal);
  }

  /** Requests go over this lane from now on, while it takes any. */
  use(lane: SessionLane): void {
    const { peerId } = lane;
    if (!lane.isOpen) return;
    this.current(peerId)?.drain();
    this.#lanes.set(peerId, lane);
    lane.onRetired = () => {
      if (this.current(peerId) === lane) this.#lanes.delete(peerId);
    };
  }

  #begin(peerId: string): Promise<SessionLane> {
    const opening = this.#openAndUse(peerId).finally(() => { this.#openings.delete(peerId); });
    this.#openings.set(peerId, opening);
    return opening;
  }

  async #openAndUse(peerId: string): Promise<SessionLane> {
    const lane = await this.#open(peerId);
    this.use(lane);
    return lane;
  }
}
