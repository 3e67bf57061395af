import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { answerReader } from './answer-reader.ts';
import { AskedRanges, misbehaved } from './asked-ranges.ts';
import { Unwritten } from './incoming-range.ts';
import { MAX_WORD_BYTES } from '../protocol/word.ts';
import { LANE_VERSION, MAX_ID, type Frame, type WordFrame } from './frame.ts';
import { FrameParser } from './frame-parser.ts';
import type { LaneTransport } from './lane-transport.ts';
import type { ByteRange, LaneAnswer, RangeTarget } from './lane.ts';
import { ReadGate } from './pace/read-gate.ts';
import { SendQueue } from './send-queue.ts';
import { ServedRanges } from './served-ranges.ts';
import type { SessionOptions } from './session-options.ts';
import type { Slot } from './upload-slots.ts';

/** A request that gets no byte for this long fails; so does a lane whose peer takes none. */
const DEFAULT_STALL_MS = 20_000;
/** A lane on which nothing happens for this long is closed. */
const DEFAULT_IDLE_MS = 120_000;

type SessionState =
  /** Opened by this side, no hello yet. */
  | { readonly kind: 'opening' }
  | { readonly kind: 'open' }
  /** One side said bye. */
  | { readonly kind: 'draining'; readonly peerSaidBye: boolean }
  | { readonly kind: 'closed'; readonly reason: LayerswarmError };

/** The protocol of a lane over any transport: what each frame means, and when the lane ends. */
export class LaneSession {
  readonly peerId: string;
  readonly stallMs: number;
  /** Resolves when the lane can be used. @throws what it was closed for */
  readonly ready: Promise<void>;
  readonly queue: SendQueue;
  readonly unwritten = new Unwritten();
  receivedBytes = 0;
  readonly #transport: LaneTransport;
  readonly #options: SessionOptions;
  readonly #parser: FrameParser;
  readonly #gate: ReadGate;
  readonly #asked: AskedRanges;
  readonly #served: ServedRanges;
  readonly #opened = Promise.withResolvers<void>();
  readonly #idleTimer: NodeJS.Timeout;
  #sendTimer: NodeJS.Timeout | undefined;
  #state: SessionState;
  #nextId = 0;
  #waiting = false;
  /** The peer has closed, and what it sent before is not all handled yet. */
  #ended = false;

  constructor(transport: LaneTransport, options: SessionOptions) {
    this.peerId = options.peerId;
    this.stallMs = options.stallMs ?? DEFAULT_STALL_MS;
    this.ready = this.#opened.promise;
    this.#opened.promise.catch(() => undefined);
    this.#transport = transport;
    const paces = options.bandwidth?.lane(options.host);
    this.#options = options;
    this.#parser = new FrameParser(({ type, id, length }) => {
      if (type === 'reply' && length > MAX_WORD_BYTES && !options.words.awaits(id)) throw misbehaved('answers at length what nobody asked');
    });
    this.queue = new SendQueue(
      transport,
      () => {
        this.#fail(misbehaved('takes no answers'));
      },
      (blocked) => {
        this.#watchSending(blocked);
      },
      paces?.sending,
    );
    this.#gate = new ReadGate(
      paces?.receiving,
      () => {
        transport.pause();
      },
      () => {
        this.#readOn();
      },
    );
    this.#asked = new AskedRanges(this);
    this.#served = new ServedRanges(this);
    this.#idleTimer = setTimeout(() => {
      this.#onIdle();
    }, options.idleMs ?? DEFAULT_IDLE_MS);
    this.#idleTimer.unref();
    this.#state = { kind: options.role === 'opener' ? 'opening' : 'open' };
    transport.handler = {
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => {
        this.queue.drained();
        this.changed();
      },
      onClose: (error) => {
        this.#onTransportClosed(error);
      },
    };
    if (options.role === 'acceptor') {
      this.send({ type: 'hello', id: 0, version: LANE_VERSION });
      this.#opened.resolve();
    }
  }

  get isPaused(): boolean {
    return this.#waiting || this.#gate.isHeld;
  }

  /** Whether something new can be begun on it. */
  get isOpen(): boolean {
    return this.#state.kind === 'open';
  }

  /** As `Lane.request`. */
  async request(blob: Digest, range: ByteRange, target: RangeTarget, signal: AbortSignal): Promise<Uint8Array> {
    this.#begin();
    return await this.#asked.request(blob, range, target, signal);
  }

  /** False when it can be said no more. */
  say(frame: WordFrame): boolean {
    if (!this.isOpen) return false;
    this.#idleTimer.refresh();
    this.send(frame);
    return true;
  }

  /** open -> draining: what is under way ends, nothing new begins, then the lane closes. */
  drain(): void {
    if (this.#state.kind !== 'open') return;
    this.#state = { kind: 'draining', peerSaidBye: false };
    this.send({ type: 'bye', id: 0 });
    this.#options.onDraining?.();
    this.#idleTimer.refresh();
  }

  /** Ends everything under way, with `peer-gone` for whoever waits, then the transport. Resolves when that is closed. */
  async close(): Promise<void> {
    this.#close(new LayerswarmError('peer-gone', `the lane to peer ${this.peerId} was closed on this side`));
    await this.#transport.end();
  }

  // What the parts of the session use.

  nextId(): number {
    if (this.#nextId > MAX_ID) throw new LayerswarmError('peer-gone', `the lane to peer ${this.peerId} has used up its numbers`);
    return this.#nextId++;
  }

  send(frame: Frame): void {
    this.queue.control(frame);
  }

  stalled(error: LayerswarmError): void {
    this.#fail(error);
  }

  read(blob: Digest, range: ByteRange): Promise<LaneAnswer | undefined> | LaneAnswer | undefined {
    return this.#options.source.read(blob, range);
  }

  enterSlot(begin: () => void, refuse: () => void): Slot {
    return this.#options.slots.enter(this, begin, refuse);
  }

  get host(): string {
    return this.#options.host;
  }

  get sentBytes(): number {
    return this.queue.sentBytes;
  }

  readonly reader = answerReader;

  /** Something ended. */
  changed(): void {
    if (this.#busy || this.#isClosed()) return;
    if (this.#state.kind === 'draining' && this.#state.peerSaidBye) void this.close();
    else this.#idleTimer.refresh();
  }

  get #busy(): boolean {
    return !this.queue.isEmpty || this.#asked.size + this.#served.size > 0;
  }

  #begin(): void {
    const state = this.#state;
    if (state.kind === 'closed') throw state.reason;
    if (state.kind !== 'open') throw new LayerswarmError('peer-gone', `the lane to peer ${this.peerId} is ${state.kind}`);
  }

  #onData(chunk: Uint8Array): boolean {
    if (this.#state.kind === 'closed') return true;
    this.receivedBytes += chunk.length;
    this.#gate.read(chunk.length);
    this.#parser.push(chunk);
    if (this.#waiting) return false;
    this.#handleFrames();
    if (this.#waiting) return false;
    this.#parser.compact();
    return this.unwritten.isEmpty;
  }

  #handleFrames(): void {
    try {
      for (;;) {
        if (this.#isClosed()) return;
        const frame = this.#parser.next();
        if (frame === undefined) return;
        const wait = this.#handle(frame);
        if (wait === undefined) continue;
        this.#waiting = true;
        this.#transport.pause();
        void this.#readOnAfter(wait);
        return;
      }
    } catch (error) {
      this.#fail(
        error instanceof LayerswarmError
          ? error
          : new LayerswarmError('internal', `the lane to peer ${this.peerId} failed`, { cause: error }),
      );
    }
  }

  async #readOnAfter(wait: Promise<void>): Promise<void> {
    await wait;
    this.#waiting = false;
    this.#handleFrames();
    if (this.#waiting || this.#isClosed()) return;
    this.#parser.compact();
    if (this.#ended) this.#onTransportClosed(undefined);
    else this.#readOn();
  }

  #readOn(): void {
    if (!this.#isClosed() && !this.#waiting && !this.#gate.isHeld) this.#transport.resume();
  }

  #onTransportClosed(error: Error | undefined): void {
    if (error === undefined && this.#waiting) this.#ended = true;
    else this.#close(new LayerswarmError('peer-gone', `the lane to peer ${this.peerId} ended`, { cause: error }));
  }

  /** A promise when no other frame must be handled before it resolved. */
  #handle(frame: Frame): Promise<void> | undefined {
    if (this.#state.kind === 'opening') {
      this.#onHello(frame);
      return undefined;
    }
    switch (frame.type) {
      case 'request':
        this.#served.onRequest(frame.id, frame.blob, frame.range);
        return this.#options.asked();
      case 'cancel':
        this.#served.onCancel(frame.id);
        return this.#options.asked();
      case 'answer':
        this.#asked.onAnswer(frame.id, frame.note);
        return undefined;
      case 'data':
        this.#asked.onData(frame.id, frame.bytes);
        return this.unwritten.room();
      case 'end':
        this.#asked.onEnd(frame.id);
        return undefined;
      case 'refuse':
        this.#asked.onRefuse(frame.id, frame.reason);
        return undefined;
      case 'bye':
        this.#onBye();
        return undefined;
      case 'note':
      case 'ask':
      case 'reply': {
        this.#idleTimer.refresh();
        return this.#options.words.heard(frame);
      }
      case 'hello':
        throw misbehaved('said hello twice');
    }
  }

  /** opening -> open. @throws `unavailable` when the peer declined the lane */
  #onHello(frame: Frame): void {
    if (frame.type === 'bye') throw new LayerswarmError('unavailable', `peer ${this.peerId} does not take this lane`);
    if (frame.type !== 'hello') throw misbehaved(`began with ${frame.type} instead of hello`);
    if (frame.version !== LANE_VERSION) throw misbehaved(`speaks version ${frame.version} of the lane protocol, expected ${LANE_VERSION}`);
    this.#state = { kind: 'open' };
    this.#opened.resolve();
  }

  /** open, draining -> draining */
  #onBye(): void {
    const wasOpen = this.#state.kind === 'open';
    this.#state = { kind: 'draining', peerSaidBye: true };
    if (wasOpen) this.#options.onDraining?.();
    this.changed();
  }

  #onIdle(): void {
    if (this.#busy) this.#idleTimer.refresh();
    else if (this.#state.kind === 'open') this.drain();
    // The peer should have closed it long ago.
    else void this.close();
  }

  #watchSending(blocked: boolean): void {
    clearTimeout(this.#sendTimer);
    if (!blocked || this.#isClosed()) return;
    this.#sendTimer = setTimeout(() => {
      this.#fail(new LayerswarmError('timeout', `peer ${this.peerId} took no byte for ${2 * this.stallMs} ms`));
    }, 2 * this.stallMs);
  }

  #fail(error: LayerswarmError): void {
    if (this.#isClosed()) return;
    this.#close(error);
    this.#transport.destroy(error);
  }

  /** any -> closed */
  #close(reason: LayerswarmError): void {
    const { kind } = this.#state;
    if (kind === 'closed') return;
    this.#state = { kind: 'closed', reason };
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#sendTimer);
    this.#opened.reject(reason);
    this.#asked.closeAll(reason);
    this.queue.close();
    this.#served.closeAll();
    this.#gate.close();
    if (kind === 'open') this.#options.onDraining?.();
    this.#options.onClosed?.(reason);
  }

  /** A method, so that the compiler does not hold on to what it knew of the state before a call. */
  #isClosed(): boolean {
    return this.#state.kind === 'closed';
  }
}
