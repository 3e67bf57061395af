import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { abortedBy } from './abort.ts';
import { misbehaved } from './asked-ranges.ts';
import { memoryReader, type ByteReader } from './byte-reader.ts';
import { MAX_NOTE_BYTES, type Frame } from './frame.ts';
import type { ByteRange, FileRange, LaneAnswer } from './lane.ts';
import type { Outcome, Outgoing, SendQueue } from './send-queue.ts';

/** Pushes that one side may have open. */
export const MAX_PUSHED = 1024;

export interface PushingSession {
  readonly peerId: string;
  readonly queue: SendQueue;
  nextId(): number;
  send(frame: Frame): void;
  reader(answer: LaneAnswer): ByteReader;
  changed(): void;
}

interface Pushed {
  readonly outgoing: Outgoing;
  begun: boolean;
  /** Why it ends before its end. */
  stopped: LayerswarmError | 'by peer' | undefined;
}

/** The pushes that this side makes on one lane. */
export class SentPushes {
  readonly #session: PushingSession;
  readonly #pushes = new Map<number, Pushed>();
  #lastId = -1;

  constructor(session: PushingSession) {
    this.#session = session;
  }

  get size(): number {
    return this.#pushes.size;
  }

  async push(blob: Digest, range: ByteRange, bytes: Uint8Array | FileRange, note: Uint8Array, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) throw abortedBy(signal);
    const length = bytes instanceof Uint8Array ? bytes.length : bytes.end - bytes.start;
    if (length !== range.end - range.start) throw new LayerswarmError('range-invalid', `a push of bytes ${range.start}-${range.end} was given ${length} bytes`);
    if (note.length > MAX_NOTE_BYTES) throw new LayerswarmError('too-large', `a note of ${note.length} bytes, at most ${MAX_NOTE_BYTES} go with a push`);
    if (this.#pushes.size >= MAX_PUSHED) throw new LayerswarmError('unavailable', `${MAX_PUSHED} pushes to peer ${this.#session.peerId} are open already; wait for some to end`);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const id = this.#session.nextId();
    this.#lastId = id;
    const onAbort = (): void => {
      if (!pushed.begun) this.#stop(pushed, abortedBy(signal));
    };
    const pushed: Pushed = {
      begun: false,
      stopped: undefined,
      outgoing: {
        id,
        dataType: 'push-data',
        length,
        open: () => {
          pushed.begun = true;
          const reader = bytes instanceof Uint8Array ? memoryReader(bytes) : this.#session.reader({ file: bytes, note });
          return { head: { type: 'push', id, blob, range, note }, reader };
        },
        ended: (outcome, error) => {
          signal.removeEventListener('abort', onAbort);
          this.#ended(pushed, outcome);
          if (outcome === 'sent') resolve(true);
          else if (pushed.stopped === 'by peer') resolve(false);
          else reject(pushed.stopped ?? new LayerswarmError('internal', 'the bytes of a push could not be read', { cause: error }));
        },
      },
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#pushes.set(id, pushed);
    this.#session.queue.add(pushed.outgoing);
    return await promise;
  }

  /** The push may have ended while the peer's cancel was on its way. */
  onCancel(id: number): void {
    if (id > this.#lastId) throw misbehaved(`cancelled push ${id}, which was never begun`);
    const pushed = this.#pushes.get(id);
    if (pushed !== undefined) this.#stop(pushed, 'by peer');
  }

  /** Before the queue is closed, which ends them. */
  closeAll(error: LayerswarmError): void {
    for (const pushed of this.#pushes.values()) pushed.stopped ??= error;
  }

  #stop(pushed: Pushed, why: LayerswarmError | 'by peer'): void {
    pushed.stopped = why;
    this.#session.queue.cancel(pushed.outgoing);
  }

  #ended(pushed: Pushed, outcome: Outcome): void {
    this.#pushes.delete(pushed.outgoing.id);
    if (pushed.begun) this.#session.send({ type: 'push-end', id: pushed.outgoing.id, complete: outcome === 'sent' });
    this.#session.changed();
  }
}
