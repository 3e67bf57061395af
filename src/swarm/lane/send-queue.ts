import type { ByteReader } from './byte-reader.ts';
import { encodeFrame, encodeHeader, MAX_DATA_BYTES, withHeader, type Frame } from './frame.ts';
import type { LaneTransport } from './lane-transport.ts';
import type { Pace } from './pace/pacer.ts';

/** Ranges whose data is interleaved on one lane; more wait for their turn in order of arrival. */
const MAX_ACTIVE = 16;
/**
 * A long range sends this much before another long one does: a receiver that hashes in order wants ranges one after the other
 * rather than all at once, and nobody waits long for a megabyte.
 */
const TURN_BYTES = 1024 * 1024;
/**
 * A range of no more than this takes turns, frame by frame, with the long ones together. A long one with no more than this left
 * keeps its turn.
 */
const SHORT_BYTES = 256 * 1024;
/** Short frames that may wait for a peer who does not read. It is a peer that asks and asks, and takes no answer. */
const MAX_CONTROL_FRAMES = 8192;
const MAX_CONTROL_BYTES = 16 << 20;

/** One range to be sent. */
export interface Outgoing {
  readonly id: number;
  /** Bytes, exactly. */
  readonly length: number;
  /** Its turn has come. Gives the frame that goes before the data, and the data; undefined when there is nothing to send. */
  open(): Promise<OpenRange | undefined> | OpenRange | undefined;
  /** Called once, last. `failed`: the data could not be read, or had another length. */
  ended(outcome: Outcome, error?: unknown): void;
}

export interface OpenRange {
  readonly head: Frame;
  readonly reader: ByteReader;
}

export type Outcome = 'sent' | 'nothing' | 'failed' | 'cancelled';

type ActiveState = Extract<RangeState, { kind: 'active' }>;

type RangeState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'opening' }
  | { readonly kind: 'active'; readonly reader: ByteReader; part: Uint8Array | undefined; partSent: number; sent: number; turn: number };

/**
 * Decides what goes onto the transport next: short frames first, then data frames of short ranges and of long ones in turn, so
 * that neither a control frame nor a small range waits behind a large one. Gives the transport nothing while its buffer is full.
 */
export class SendQueue {
  readonly #transport: LaneTransport;
  readonly #overflow: () => void;
  readonly #onBlocked: (blocked: boolean) => void;
  readonly #pace: Pace | undefined;
  readonly #control: Buffer[] = [];
  #controlBytes = 0;
  readonly #states = new Map<Outgoing, RangeState>();
  readonly #waiting: Outgoing[] = [];
  /** Active ranges that have bytes at hand, in the order of their turns. */
  readonly #short: Outgoing[] = [];
  readonly #long: Outgoing[] = [];
  #lastWasShort = false;
  #active = 0;
  /** Bytes of ranges that are not sent yet. */
  #backlog = 0;
  #blocked = false;
  #pumping = false;
  #closed = false;
  #sent = 0;
  /** Bytes of ranges that are paid for and not sent. */
  #paid = 0;
  #paying = false;

  /**
   * `overflow` is called when the peer takes no answers; the lane should end then. `onBlocked` is called when the transport's
   * buffer is full, and when it is not any longer. `pace`: what is known of limits on uploads.
   */
  constructor(transport: LaneTransport, overflow: () => void, onBlocked: (blocked: boolean) => void, pace?: Pace) {
    this.#transport = transport;
    this.#overflow = overflow;
    this.#onBlocked = onBlocked;
    this.#pace = pace;
  }

  /** Bytes given to the transport so far, headers included. */
  get sentBytes(): number {
    return this.#sent;
  }

  /** Everything was given to the transport. */
  get isEmpty(): boolean {
    return this.#states.size === 0 && this.#control.length === 0;
  }

  control(frame: Frame): void {
    if (this.#closed) return;
    const bytes = encodeFrame(frame);
    this.#control.push(bytes);
    this.#controlBytes += bytes.length;
    if (this.#control.length > MAX_CONTROL_FRAMES || this.#controlBytes > MAX_CONTROL_BYTES) {
      this.#overflow();
      return;
    }
    this.#pump();
  }

  add(range: Outgoing): void {
    if (this.#closed) {
      range.ended('cancelled');
      return;
    }
    this.#backlog += range.length;
    this.#states.set(range, { kind: 'waiting' });
    this.#waiting.push(range);
    this.#activate();
  }

  /** Stops sending the range, if it is not all sent. */
  cancel(range: Outgoing): void {
    this.#end(range, 'cancelled');
  }

  drained(): void {
    this.#blocked = false;
    this.#onBlocked(false);
    this.#pump();
  }

  /** Ends every range as cancelled. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#control.length = 0;
    this.#pace?.close();
    for (const range of this.#states.keys()) this.#end(range, 'cancelled');
  }

  #activate(): void {
    while (this.#active < MAX_ACTIVE && !this.#closed) {
      const range = this.#waiting.shift();
      if (range === undefined) return;
      this.#active += 1;
      this.#states.set(range, { kind: 'opening' });
      this.#follow(
        range,
        () => range.open(),
        (opened) => {
          this.#opened(range, opened);
        },
      );
    }
  }

  #opened(range: Outgoing, opened: OpenRange | undefined): void {
    if (this.#states.get(range)?.kind !== 'opening') {
      opened?.reader.close();
      return;
    }
    if (opened === undefined) {
      this.#end(range, 'nothing');
      return;
    }
    this.#states.set(range, { kind: 'active', reader: opened.reader, part: undefined, partSent: 0, sent: 0, turn: 0 });
    this.control(opened.head);
    this.#load(range);
  }

  /** Reads on, and lets the range take its turn when bytes are here. */
  #load(range: Outgoing): void {
    const state = this.#states.get(range);
    if (state?.kind !== 'active') return;
    if (state.sent === range.length) {
      this.#end(range, 'sent');
      return;
    }
    this.#follow(
      range,
      () => state.reader.read(),
      (part) => {
        if (this.#states.get(range) !== state) return;
        if (part === undefined || part.length === 0 || state.sent + part.length > range.length) {
          this.#end(
            range,
            'failed',
            new RangeError(`the source of a range of ${range.length} bytes gave ${state.sent + (part?.length ?? 0)}`),
          );
          return;
        }
        state.part = part;
        state.partSent = 0;
        this.#line(range, state);
        this.#pump();
      },
    );
  }

  /** Runs `work`, at once where it needs no waiting, and ends the range when it fails. */
  #follow<T>(range: Outgoing, work: () => Promise<T> | T, then: (result: T) => void): void {
    let result: Promise<T> | T;
    try {
      result = work();
    } catch (error) {
      this.#end(range, 'failed', error);
      return;
    }
    if (result instanceof Promise)
      result.then(then).catch((error: unknown) => {
        this.#end(range, 'failed', error);
      });
    else then(result);
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (!this.#blocked && !this.#closed) {
        const control = this.#control.shift();
        if (control !== undefined) {
          this.#controlBytes -= control.length;
          this.#give(control);
          continue;
        }
        if (this.#short.length + this.#long.length === 0 || !this.#pay()) return;
        this.#sendFrame(this.#next());
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Lines a range up that has bytes at hand. */
  #line(range: Outgoing, state: ActiveState): void {
    if (range.length <= SHORT_BYTES) {
      this.#short.push(range);
    } else if (state.turn < TURN_BYTES || range.length - state.sent <= SHORT_BYTES) {
      this.#long.unshift(range);
    } else {
      state.turn = 0;
      this.#long.push(range);
    }
  }

  /** Whether bytes of ranges may go out now; else they go on by themselves when they may. */
  #pay(): boolean {
    if (this.#pace === undefined || this.#paid > 0) return true;
    if (this.#paying) return false;
    const bytes = Math.min(this.#pace.quantum, this.#backlog);
    this.#paying = !this.#pace.spend(bytes, () => {
      this.#paying = false;
      this.#paid = bytes;
      this.#pump();
    });
    if (!this.#paying) this.#paid = bytes;
    return !this.#paying;
  }

  /** Of those that have bytes at hand. */
  #next(): Outgoing {
    this.#lastWasShort = this.#short.length > 0 && (this.#long.length === 0 || !this.#lastWasShort);
    return (this.#lastWasShort ? this.#short : this.#long).shift()!;
  }

  #sendFrame(range: Outgoing): void {
    const state = this.#states.get(range);
    if (state?.kind !== 'active' || state.part === undefined) return;
    const { part, reader } = state;
    const payload = part.subarray(
      state.partSent,
      state.partSent + Math.min(MAX_DATA_BYTES, this.#pace === undefined ? MAX_DATA_BYTES : this.#paid),
    );
    this.#paid = Math.max(0, this.#paid - payload.length);
    state.partSent += payload.length;
    state.sent += payload.length;
    state.turn += payload.length;
    this.#backlog -= payload.length;
    const whole = state.partSent === part.length;
    if (whole) state.part = undefined;
    const free =
      whole && reader.free !== undefined
        ? (): void => {
            reader.free?.(part);
          }
        : undefined;
    if (reader.hasHeaderRoom === true && payload.length === part.length) this.#give(withHeader('data', range.id, payload), undefined, free);
    else this.#give(encodeHeader('data', range.id, payload.length), payload, free);
    if (whole) this.#load(range);
    else this.#line(range, state);
  }

  #give(header: Uint8Array, payload?: Uint8Array, free?: () => void): void {
    this.#sent += header.length + (payload?.length ?? 0);
    if (this.#transport.send(header, payload, free) || this.#blocked) return;
    this.#blocked = true;
    this.#onBlocked(true);
  }

  #end(range: Outgoing, outcome: Outcome, error?: unknown): void {
    const state = this.#states.get(range);
    if (state === undefined) return;
    this.#states.delete(range);
    if (state.kind === 'waiting') remove(this.#waiting, range);
    else this.#active -= 1;
    this.#backlog -= range.length - (state.kind === 'active' ? state.sent : 0);
    if (state.kind === 'active') {
      remove(this.#short, range);
      remove(this.#long, range);
      state.reader.close();
    }
    range.ended(outcome, error);
    this.#activate();
  }
}

function remove(ranges: Outgoing[], range: Outgoing): void {
  const index = ranges.indexOf(range);
  if (index >= 0) ranges.splice(index, 1);
}
