import { onAbort } from '../../async/abort.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { abortedBy } from './abort.ts';
import type { Frame, RefuseReason } from './frame.ts';
import { IncomingRange, type Unwritten } from './incoming-range.ts';
import type { ByteRange, RangeTarget } from './lane.ts';

/** The asked side's half of an agreement: it answers this many at once at least, so nobody asks for more. */
export const MAX_ASKED = 1024;

type AskedState =
  /** Neither answered nor refused. */
  | { kind: 'waiting' }
  | { kind: 'receiving'; readonly note: Uint8Array }
  /** Settled on this side; the peer has yet to say that it knows. */
  | { kind: 'cancelled' };

type Outcome = { readonly note: Uint8Array } | { readonly error: unknown };

interface Asked {
  readonly id: number;
  readonly range: ByteRange;
  readonly incoming: IncomingRange;
  state: AskedState;
  /** When something last came of it, in ms, and what the lane had received by then. */
  touchedAt: number;
  bytesSeen: number;
  /** The first outcome counts; it is told when nothing is written any more. */
  readonly settle: (outcome: Outcome) => void;
}

/** All are looked at this often in the time after which one that gets nothing fails: a timer for each costs more than its frames. */
const SWEEPS = 8;

export interface AskingSession {
  readonly peerId: string;
  readonly stallMs: number;
  readonly receivedBytes: number;
  readonly unwritten: Unwritten;
  /** True while this side is not reading, because a target is slow. */
  readonly isPaused: boolean;
  nextId(): number;
  send(frame: Frame): void;
  /** The whole lane is silent. */
  stalled(error: LayerswarmError): void;
  changed(): void;
}

/** The requests that this side made on one lane. */
export class AskedRanges {
  readonly #session: AskingSession;
  readonly #asked = new Map<number, Asked>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(session: AskingSession) {
    this.#session = session;
  }

  get size(): number {
    return this.#asked.size;
  }

  async request(blob: Digest, range: ByteRange, target: RangeTarget, signal: AbortSignal): Promise<Uint8Array> {
    if (signal.aborted) throw abortedBy(signal);
    if (this.#asked.size >= MAX_ASKED) {
      throw new LayerswarmError(
        'unavailable',
        `${MAX_ASKED} requests to peer ${this.#session.peerId} are open already; wait for some to end`,
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const id = this.#session.nextId();
    let outcome: Outcome | undefined;
    const incoming = new IncomingRange(range, target, this.#session.unwritten, (error) => {
      // Also when the last byte has arrived, and is being written.
      outcome = { error };
      this.#cancel(asked, error);
    });
    const listening = onAbort(signal, () => {
      this.#cancel(asked, abortedBy(signal));
    });
    const asked: Asked = {
      id,
      range,
      incoming,
      state: { kind: 'waiting' },
      touchedAt: performance.now(),
      bytesSeen: this.#session.receivedBytes,
      settle: (settled) => {
        listening[Symbol.dispose]();
        outcome ??= settled;
        if ('error' in outcome) incoming.stop();
        incoming.whenIdle(() => {
          if ('note' in outcome!) resolve(outcome.note);
          else reject(outcome!.error);
        });
      },
    };
    this.#asked.set(id, asked);
    this.#sweeper ??= setInterval(() => {
      this.#sweep();
    }, this.#session.stallMs / SWEEPS);
    this.#session.send({ type: 'request', id, blob, range });
    return await promise;
  }

  /** waiting -> receiving */
  onAnswer(id: number, note: Uint8Array): void {
    const asked = this.#get(id);
    if (asked.state.kind === 'cancelled') return;
    if (asked.state.kind !== 'waiting') throw misbehaved('answered a request twice');
    asked.state = { kind: 'receiving', note };
    this.#touch(asked);
    asked.incoming.noted(note);
  }

  onData(id: number, bytes: Uint8Array): void {
    const asked = this.#get(id);
    if (asked.state.kind === 'cancelled') return;
    if (asked.state.kind !== 'receiving') throw misbehaved('sent data before its answer');
    if (bytes.length > asked.incoming.missing) throw misbehaved('sent more than was asked for');
    this.#touch(asked);
    asked.incoming.take(bytes);
  }

  /** receiving, cancelled -> gone */
  onEnd(id: number): void {
    const asked = this.#get(id);
    const { state } = asked;
    if (state.kind === 'waiting' || (state.kind === 'receiving' && asked.incoming.missing > 0))
      throw misbehaved('ended a range before its end');
    this.#forget(asked);
    if (state.kind === 'receiving') asked.settle({ note: state.note });
  }

  /** waiting, receiving, cancelled -> gone */
  onRefuse(id: number, reason: RefuseReason): void {
    const asked = this.#get(id);
    const { state } = asked;
    this.#forget(asked);
    if (state.kind === 'cancelled') return;
    const what = `bytes ${asked.range.start}-${asked.range.end}`;
    const error =
      reason === 'not-found'
        ? new LayerswarmError('not-found', `peer ${this.#session.peerId} has not all of ${what}`)
        : new LayerswarmError('unavailable', `peer ${this.#session.peerId} could not read on in ${what}`);
    asked.settle({ error });
  }

  closeAll(error: LayerswarmError): void {
    this.#stopSweeping();
    for (const asked of this.#asked.values()) {
      const { kind } = asked.state;
      asked.state = { kind: 'cancelled' };
      if (kind !== 'cancelled') asked.settle({ error });
    }
    this.#asked.clear();
  }

  /** waiting, receiving -> cancelled */
  #cancel(asked: Asked, error: unknown): void {
    if (asked.state.kind === 'cancelled') return;
    asked.state = { kind: 'cancelled' };
    asked.settle({ error });
    if (!this.#asked.has(asked.id)) return;
    this.#touch(asked);
    this.#session.send({ type: 'cancel', id: asked.id });
  }

  #sweep(): void {
    if (this.#asked.size === 0) this.#stopSweeping();
    const now = performance.now();
    for (const asked of this.#asked.values()) {
      if (this.#session.isPaused) this.#touch(asked);
      else if (now - asked.touchedAt >= this.#session.stallMs) this.#onStall(asked);
    }
  }

  #stopSweeping(): void {
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #onStall(asked: Asked): void {
    if (asked.state.kind === 'cancelled') {
      this.#session.stalled(
        new LayerswarmError('timeout', `peer ${this.#session.peerId} did not confirm a cancelled request for ${this.#session.stallMs} ms`),
      );
      return;
    }
    const error = new LayerswarmError('timeout', `peer ${this.#session.peerId} sent nothing for ${this.#session.stallMs} ms`);
    this.#cancel(asked, error);
    if (asked.bytesSeen === this.#session.receivedBytes) this.#session.stalled(error);
  }

  #touch(asked: Asked): void {
    asked.bytesSeen = this.#session.receivedBytes;
    asked.touchedAt = performance.now();
  }

  #get(id: number): Asked {
    const asked = this.#asked.get(id);
    if (asked === undefined) throw misbehaved(`spoke of request ${id}, which is not open`);
    return asked;
  }

  #forget(asked: Asked): void {
    this.#asked.delete(asked.id);
    this.#session.changed();
  }
}

export function misbehaved(what: string): LayerswarmError {
  return new LayerswarmError('peer-misbehaved', `the peer ${what}`);
}
