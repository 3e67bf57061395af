import type { Digest } from '../../oci/digest.ts';
import { misbehaved } from './asked-ranges.ts';
import type { Frame } from './frame.ts';
import { IncomingRange, type Unwritten } from './incoming-range.ts';
import type { ByteRange, PushReceiver } from './lane.ts';
import { MAX_PUSHED } from './sent-pushes.ts';

/** Data of pushes that nobody has accepted yet, on one lane; over it the lane is not read until somebody did. */
const MAX_UNDECIDED_BYTES = 256 * 1024;

type PushState =
  /** Its data is kept until it is known where it goes. */
  | { kind: 'deciding'; readonly decision: Promise<void> }
  | { kind: 'receiving'; readonly receiver: PushReceiver; readonly incoming: IncomingRange }
  /** Not wanted, or not any longer; the peer has yet to end it. */
  | { kind: 'refused' };

interface Push {
  readonly id: number;
  readonly range: ByteRange;
  readonly kept: Uint8Array[];
  /** Bytes that are still to come from the peer. */
  missing: number;
  /** Set by the peer's last frame of this push. */
  complete: boolean | undefined;
  /** The target threw. */
  failed: boolean;
  state: PushState;
}

export interface PushAcceptor {
  readonly unwritten: Unwritten;
  send(frame: Frame): void;
  accept(blob: Digest, range: ByteRange, note: Uint8Array): PushReceiver | undefined | Promise<PushReceiver | undefined>;
  changed(): void;
}

/** The pushes that the peer began on one lane. */
export class ReceivedPushes {
  readonly #session: PushAcceptor;
  readonly #pushes = new Map<number, Push>();
  #keptBytes = 0;
  #lastId = -1;
  #closed = false;

  constructor(session: PushAcceptor) {
    this.#session = session;
  }

  get size(): number {
    return this.#pushes.size;
  }

  onPush(id: number, blob: Digest, range: ByteRange, note: Uint8Array): void {
    if (id <= this.#lastId) throw misbehaved(`began push ${id} after push ${this.#lastId}`);
    if (this.#pushes.size >= MAX_PUSHED) throw misbehaved(`began more than ${MAX_PUSHED} pushes at once`);
    this.#lastId = id;
    const push: Push = { id, range, kept: [], missing: range.end - range.start, complete: undefined, failed: false, state: { kind: 'refused' } };
    this.#pushes.set(id, push);
    const receiver = this.#session.accept(blob, range, note);
    if (receiver instanceof Promise) push.state = { kind: 'deciding', decision: this.#decide(push, receiver) };
    else if (receiver === undefined) this.#refuse(push);
    else push.state = this.#receiving(push, receiver);
  }

  /** A promise when the lane must not be read on before it resolved. */
  onData(id: number, bytes: Uint8Array): Promise<void> | undefined {
    const push = this.#get(id);
    if (bytes.length > push.missing) throw misbehaved('pushed more than it said');
    push.missing -= bytes.length;
    switch (push.state.kind) {
      case 'refused': return undefined;
      case 'receiving': push.state.incoming.take(bytes); return undefined;
      case 'deciding': {
        push.kept.push(Uint8Array.from(bytes));
        this.#keptBytes += bytes.length;
        return this.#keptBytes > MAX_UNDECIDED_BYTES ? push.state.decision : undefined;
      }
    }
  }

  onEnd(id: number, complete: boolean): void {
    const push = this.#get(id);
    if (complete && push.missing > 0) throw misbehaved('ended a push before its end');
    push.complete = complete;
    if (push.state.kind !== 'deciding') this.#finish(push);
  }

  closeAll(): void {
    this.#closed = true;
    for (const push of this.#pushes.values()) {
      push.complete = false;
      if (push.state.kind !== 'deciding') this.#finish(push);
    }
  }

  async #decide(push: Push, decision: Promise<PushReceiver | undefined>): Promise<void> {
    // Whoever is asked and fails has not accepted.
    const receiver = await decision.catch(() => undefined);
    const kept = push.kept.splice(0);
    for (const part of kept) this.#keptBytes -= part.length;
    if (receiver === undefined) {
      this.#refuse(push);
    } else {
      const receiving = this.#receiving(push, receiver);
      push.state = receiving;
      if (this.#closed) this.#refuse(push);
      for (const part of kept) receiving.incoming.take(part);
    }
    if (push.complete !== undefined) this.#finish(push);
  }

  #receiving(push: Push, receiver: PushReceiver): Extract<PushState, { kind: 'receiving' }> {
    const incoming = new IncomingRange(push.range, receiver.target, this.#session.unwritten, () => {
      push.failed = true;
      if (push.state.kind === 'receiving') this.#refuse(push);
    });
    return { kind: 'receiving', receiver, incoming };
  }

  /** deciding, receiving -> refused */
  #refuse(push: Push): void {
    const { state } = push;
    push.state = { kind: 'refused' };
    if (state.kind === 'receiving') {
      state.incoming.stop();
      state.incoming.whenIdle(() => { state.receiver.done(false); });
    }
    if (push.complete === undefined) this.#session.send({ type: 'push-cancel', id: push.id });
  }

  /** receiving, refused -> gone */
  #finish(push: Push): void {
    const { state, complete } = push;
    this.#pushes.delete(push.id);
    if (state.kind === 'receiving') state.incoming.whenIdle(() => { state.receiver.done(complete === true && !push.failed); });
    this.#session.changed();
  }

  #get(id: number): Push {
    const push = this.#pushes.get(id);
    if (push === undefined || push.complete !== undefined) throw misbehaved(`spoke of push ${id}, which is not open`);
    return push;
  }
}
