import type { Digest } from '../../oci/digest.ts';
import type { LaneSession } from './lane-session.ts';
import type { ByteRange, Lane, RangeTarget } from './lane.ts';

/** A lane over a libp2p stream. */
export class StreamLane implements Lane {
  readonly kind = 'stream';
  readonly #session: LaneSession;

  constructor(session: LaneSession) {
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

  async request(blob: Digest, range: ByteRange, target: RangeTarget, signal: AbortSignal): Promise<Uint8Array> {
    return await this.#session.request(blob, range, target, signal);
  }

  /** Takes nothing new; closes when what is under way has ended. */
  drain(): void {
    this.#session.drain();
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}
