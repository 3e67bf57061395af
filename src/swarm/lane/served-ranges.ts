import type { Digest } from '../../oci/digest.ts';
import { MAX_ASKED, misbehaved } from './asked-ranges.ts';
import type { ByteReader } from './byte-reader.ts';
import type { Frame } from './frame.ts';
import type { ByteRange, LaneAnswer } from './lane.ts';
import type { OpenRange, Outcome, Outgoing, SendQueue } from './send-queue.ts';
import type { Slot } from './upload-slots.ts';

export interface ServingSession {
  readonly queue: SendQueue;
  send(frame: Frame): void;
  read(blob: Digest, range: ByteRange): Promise<LaneAnswer | undefined> | LaneAnswer | undefined;
  reader(answer: LaneAnswer): ByteReader;
  /** As `UploadSlots.enter`. */
  enterSlot(begin: () => void, refuse: () => void): Slot;
  changed(): void;
}

interface Served {
  readonly outgoing: Outgoing;
  slot: Slot | undefined;
  /** It has had its slot, and is in the queue. */
  begun: boolean;
}

/** The requests that the peer made on one lane. The source is asked when a request's turn comes, not before. */
export class ServedRanges {
  readonly #session: ServingSession;
  readonly #served = new Map<number, Served>();
  #lastId = -1;

  constructor(session: ServingSession) {
    this.#session = session;
  }

  get size(): number {
    return this.#served.size;
  }

  onRequest(id: number, blob: Digest, range: ByteRange): void {
    if (id <= this.#lastId) throw misbehaved(`made request ${id} after request ${this.#lastId}`);
    if (this.#served.size >= MAX_ASKED) throw misbehaved(`made more than ${MAX_ASKED} requests at once`);
    this.#lastId = id;
    const served: Served = {
      outgoing: {
        id,
        length: range.end - range.start,
        open: () => this.#open(id, blob, range),
        ended: (outcome) => {
          this.#ended(id, outcome);
        },
      },
      slot: undefined,
      begun: false,
    };
    this.#served.set(id, served);
    const slot = this.#session.enterSlot(
      () => {
        served.begun = true;
        this.#session.queue.add(served.outgoing);
      },
      () => {
        this.#ended(id, 'failed');
      },
    );
    served.slot = slot;
    // It may have ended already.
    if (!this.#served.has(id)) slot.end();
  }

  /** The last frame of a request may cross its cancel, so one that is not open is no offence. */
  onCancel(id: number): void {
    if (id > this.#lastId) throw misbehaved(`cancelled request ${id}, which it never made`);
    const served = this.#served.get(id);
    if (served === undefined) return;
    if (served.begun) this.#session.queue.cancel(served.outgoing);
    else this.#ended(id, 'cancelled');
  }

  /** After the queue is closed, which ends those that have begun. */
  closeAll(): void {
    for (const { slot } of this.#served.values()) slot?.end();
    this.#served.clear();
  }

  /** At once where the answer is at hand. */
  #open(id: number, blob: Digest, range: ByteRange): Promise<OpenRange | undefined> | OpenRange | undefined {
    const open = (answer: LaneAnswer | undefined): OpenRange | undefined =>
      answer === undefined ? undefined : { head: { type: 'answer', id, note: answer.note }, reader: this.#session.reader(answer) };
    const answer = this.#session.read(blob, range);
    return answer instanceof Promise ? answer.then(open) : open(answer);
  }

  #ended(id: number, outcome: Outcome): void {
    const slot = this.#served.get(id)?.slot;
    this.#served.delete(id);
    slot?.end();
    switch (outcome) {
      case 'sent':
        this.#session.send({ type: 'end', id });
        break;
      case 'nothing':
        this.#session.send({ type: 'refuse', id, reason: 'not-found' });
        break;
      case 'failed':
        this.#session.send({ type: 'refuse', id, reason: 'unavailable' });
        break;
      case 'cancelled':
        this.#session.send({ type: 'refuse', id, reason: 'cancelled' });
        break;
    }
    this.#session.changed();
  }
}
