import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';
import { LayerswarmError } from '../../errors.ts';
import type { LaneTransport, TransportHandler } from './lane-transport.ts';

/** Sent at once: a frame by itself makes two Noise messages, one of them tiny, and a third more work on both sides. */
const BATCH_BYTES = 256 * 1024;
/** How long the peer may take to close its half after this side closed its own. */
const CLOSE_TIMEOUT_MS = 2000;

/**
 * A libp2p stream as a lane's transport. libp2p's own iterator and sink have no back-pressure on reading, so this uses its events,
 * and heeds what they do not say: see the comments.
 */
export class StreamTransport implements LaneTransport {
  #handler: TransportHandler | undefined;
  /** What happened before there was a handler: whoever opens a stream gets it some microtasks later, and the peer may have spoken by then. */
  #early: ((handler: TransportHandler) => void)[] = [];
  readonly #stream: Stream;
  /** What was sent in this turn of the event loop. */
  #batch = new Uint8ArrayList();
  #full = false;
  #paused = false;
  #resuming = false;
  #ended = false;
  readonly #closed = Promise.withResolvers<void>();

  constructor(stream: Stream) {
    this.#stream = stream;
    stream.addEventListener('message', (event) => {
      this.#onMessage(event);
    });
    stream.addEventListener('drain', () => {
      this.#onDrain();
    });
    // A reset ends the reading like a clean close does; only this event tells them apart.
    stream.addEventListener('close', (event: StreamCloseEvent) => {
      this.#closed.resolve();
      this.#onEnded(event.error);
    });
    stream.addEventListener('end', () => {
      this.#onEnded(undefined);
      void this.end();
    });
  }

  get handler(): TransportHandler | undefined {
    return this.#handler;
  }

  /** Hears of what came before in a microtask, not while it is still being made. */
  set handler(handler: TransportHandler | undefined) {
    this.#handler = handler;
    queueMicrotask(() => {
      for (const tell of this.#early.splice(0)) this.#tell(tell);
    });
  }

  send(header: Uint8Array, payload?: Uint8Array): boolean {
    if (this.#batch.byteLength === 0)
      queueMicrotask(() => {
        this.#flush();
      });
    this.#batch.append(header);
    if (payload !== undefined) this.#batch.append(payload);
    if (this.#batch.byteLength >= BATCH_BYTES) this.#flush();
    return !this.#full;
  }

  pause(): void {
    this.#paused = true;
    // `resume` undoes a pause that happens in a listener which it calls itself.
    if (!this.#resuming && this.#stream.readStatus === 'readable') this.#stream.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#stream.readStatus !== 'paused') return;
    this.#resuming = true;
    try {
      this.#stream.resume();
    } finally {
      this.#resuming = false;
    }
    if (this.#isPaused()) this.pause();
  }

  async end(): Promise<void> {
    const timer = setTimeout(() => {
      this.#stream.abort(new LayerswarmError('timeout', 'the peer did not close its half of the stream'));
    }, CLOSE_TIMEOUT_MS);
    this.resume();
    this.#flush();
    this.#stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) }).catch((cause: unknown) => {
      this.#stream.abort(new LayerswarmError('peer-gone', 'the stream could not be closed', { cause }));
    });
    await this.#closed.promise;
    clearTimeout(timer);
  }

  destroy(error: Error): void {
    this.#stream.abort(error);
  }

  #flush(): void {
    const batch = this.#batch;
    if (batch.byteLength === 0) return;
    this.#batch = new Uint8ArrayList();
    if (this.#stream.writeStatus !== 'writable') return;
    try {
      this.#full = !this.#stream.send(batch);
    } catch (cause) {
      // It closed while it sent, and its close event says so too.
      this.#stream.abort(new LayerswarmError('peer-gone', 'the stream could not be written to', { cause }));
    }
  }

  #onMessage({ data }: StreamMessageEvent): void {
    for (const chunk of data instanceof Uint8Array ? [data] : data)
      this.#tell((handler) => {
        handler.onData(chunk);
      });
  }

  /**
   * Any stream of the connection that frees its transport raises `drain` on all of them, even on one whose window is still
   * closed. The stream itself sends on in a microtask that it queued just before this: after it, its state says which it was.
   */
  #onDrain(): void {
    queueMicrotask(() => {
      if (this.#stream.writableNeedsDrain || this.#stream.writeStatus !== 'writable') return;
      this.#full = false;
      this.handler?.onDrain();
    });
  }

  #onEnded(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tell((handler) => {
      handler.onClose(error);
    });
  }

  #tell(tell: (handler: TransportHandler) => void): void {
    if (this.#handler === undefined || this.#early.length > 0) this.#early.push(tell);
    else tell(this.#handler);
  }

  #isPaused(): boolean {
    return this.#paused;
  }
}
