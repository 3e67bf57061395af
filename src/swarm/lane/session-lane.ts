import type { Digest } from '../../oci/digest.ts';
import type { WordFrame } from './frame.ts';
import type { LaneSession } from './lane-session.ts';
import type { ByteRange, Lane, RangeTarget } from './lane.ts';
import type { Route } from './route.ts';

/** A lane as whoever asks on it has it. */
export class SessionLane implements Lane {
  readonly kind: Lane['kind'];
  /** Where it leads. */
  readonly route: Route;
  /** It takes nothing new from now on. */
  onRetired: (() => void) | undefined;
  readonly #session: LaneSession;

  constructor(kind: Lane['kind'], route: Route, session: LaneSession) {
    this.kind = kind;
    this.route = route;
    this.#session = session;
  }

  get peerId(): string {
    return this.#session.peerId;
  }

  get sentBytes(): number {
    return this.#session.queue.sentBytes;
  }

  get receivedBytes(): number {
    return this.#session.receivedBytes;
  }

  /** Resolves when the lane can be used. @throws what it was closed for */
  get ready(): Promise<void> {
    return this.#session.ready;
  }

  /** Whether something new can be begun on it. */
  get isOpen(): boolean {
    return this.#session.isOpen;
  }

  async request(blob: Digest, range: ByteRange, target: RangeTarget, signal: AbortSignal): Promise<Uint8Array> {
    return await this.#session.request(blob, range, target, signal);
  }

  /** All that is to be sent was given to the transport. */
  get isIdle(): boolean {
    return this.#session.queue.isEmpty;
  }

  /** False when it can be said no more. */
  say(frame: WordFrame): boolean {
    return this.#session.say(frame);
  }

  /** Takes nothing new; closes when what is under way has ended. */
  drain(): void {
    this.#session.drain();
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}
