import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';
import { LayerswarmError } from '../../errors.ts';
import type { LaneTransport, TransportHandler } from './lane-transport.ts';

/** How long the peer may take to close its half after this side closed its own. */
const CLOSE_TIMEOUT_MS = 2000;

/**
 * A libp2p stream as a lane's transport. libp2p's own iterator and sink have no back-pressure on reading, so this uses its events,
 * and heeds what they do not say: see the comments.
 */
export class StreamTransport implements LaneTransport {
  handler: TransportHandler | undefined;
  readonly #stream: Stream;
  #paused = false;
  #resuming = false;
  #ended = false;
  readonly #closed = Promise.withResolvers<void>();

  constructor(stream: Stream) {
    this.#stream = stream;
    stream.addEventListener('message', (event) => { this.#onMessage(event); });
    stream.addEventListener('drain', () => { this.#onDrain(); });
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

  get sendBuffered(): number {
    return this.#stream.writeBufferLength;
  }

  send(header: Uint8Array, payload?: Uint8Array): boolean {
    if (this.#stream.writeStatus !== 'writable') return false;
    try {
      return this.#stream.send(payload === undefined ? header : new Uint8ArrayList(header, payload));
    } catch (cause) {
      // It closed while it sent, and its close event says so too.
      this.#stream.abort(new LayerswarmError('peer-gone', 'the stream could not be written to', { cause }));
      return false;
    }
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
    const timer = setTimeout(() => { this.#stream.abort(new LayerswarmError('timeout', 'the peer did not close its half of the stream')); }, CLOSE_TIMEOUT_MS);
    this.resume();
    this.#stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) }).catch((cause: unknown) => {
      this.#stream.abort(new LayerswarmError('peer-gone', 'the stream could not be closed', { cause }));
    });
    await this.#closed.promise;
    clearTimeout(timer);
  }

  destroy(error: Error): void {
    this.#stream.abort(error);
  }

  #onMessage({ data }: StreamMessageEvent): void {
    if (data instanceof Uint8Array) this.handler?.onData(data);
    else for (const chunk of data) this.handler?.onData(chunk);
  }

  /**
   * Any stream of the connection that frees its transport raises `drain` on all of them, even on one whose window is still
   * closed. The stream itself sends on in a microtask that it queued just before this: after it, its state says which it was.
   */
  #onDrain(): void {
    queueMicrotask(() => {
      if (!this.#stream.writableNeedsDrain && this.#stream.writeStatus === 'writable') this.handler?.onDrain();
    });
  }

  #onEnded(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.handler?.onClose(error);
  }

  #isPaused(): boolean {
    return this.#paused;
  }
}
