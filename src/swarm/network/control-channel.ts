import type { Stream } from '@libp2p/interface';
import type { Uint8ArrayList } from 'uint8arraylist';
import { LayerswarmError } from '../../errors.ts';
import { decodeFrame, encodeFrame, MAX_FRAME_BYTES, type Frame, type UnknownFrame } from '../protocol/frame.ts';
import { FrameReader, LENGTH_BYTES } from './frame-reader.ts';
import type { TokenBucket } from './rate-limit.ts';

export interface ChannelLimits {
  /** Bytes that may wait for a peer that does not read; over it, the peer is cut. */
  maxQueuedBytes: number;
  /** Messages of one peer that are being handled at a time; over it, no more is read from it. */
  maxHandling: number;
  /** A frame must be whole this long after its first byte. */
  frameTimeoutMs: number;
  /** What a peer may send that nobody asked for; answers may be as long as a frame can be. */
  maxUnaskedBytes: number;
}

export const DEFAULT_CHANNEL_LIMITS: ChannelLimits = {
  maxQueuedBytes: 16 << 20,
  maxHandling: 256,
  frameTimeoutMs: 30_000,
  maxUnaskedBytes: 256 << 10,
};

/** An answer may still be under way after its deadline has passed here. */
const ANSWER_MAY_COME_MS = 300_000;
/** Frames are sent together up to this size: encryption costs by the message. */
const WRITE_BATCH_BYTES = 64 << 10;

export interface ChannelOwner {
  /** Takes a frame, in order; resolves when it is dealt with. Must not reject. */
  onFrame(frame: Frame | UnknownFrame, bytes: number): Promise<void>;
  /** Once; after it, nothing more is delivered. */
  onClose(reason: LayerswarmError): void;
}

/**
 * Frames in order over one libp2p stream, both ways: a bounded queue out, and in only as fast as they are handled. A peer that
 * sends what is no frame, or one frame for ever, is cut.
 */
export class ControlChannel {
  readonly #stream: Stream;
  readonly #owner: ChannelOwner;
  readonly #limits: ChannelLimits;
  readonly #buckets: readonly TokenBucket[];
  readonly #reader = new FrameReader();
  #closed = false;
  #handling = 0;
  #pumpDue = false;
  #frameTimer: NodeJS.Timeout | undefined;
  #rateTimer: NodeJS.Timeout | undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #flushDue = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** Milliseconds since the epoch: when the peer was last heard. */
  heardAt = Date.now();

  /** Reads from the stream at once. Every bucket pays for each frame that arrives. */
  constructor(stream: Stream, owner: ChannelOwner, options: { limits?: ChannelLimits; buckets?: readonly TokenBucket[] } = {}) {
    this.#stream = stream;
    this.#owner = owner;
    this.#limits = options.limits ?? DEFAULT_CHANNEL_LIMITS;
    this.#buckets = options.buckets ?? [];
    stream.addEventListener('message', (event) => {
      this.#onData(event.data);
    });
    stream.addEventListener('drain', () => {
      this.#flush();
    });
    stream.addEventListener('close', (event) => {
      this.#end(new LayerswarmError('peer-gone', 'the control stream closed', { cause: event.error }));
    });
    stream.addEventListener('remoteCloseWrite', () => {
      this.#end(new LayerswarmError('peer-gone', 'the peer closed the control stream'));
    });
  }

  /** Queues a frame and says its bytes. @throws `too-large`; a peer whose queue is over its bound is cut instead */
  write(frame: Frame): number {
    if (this.#closed) return 0;
    const bytes = encodeFrame(frame);
    if (frame.kind === 'request') this.#askedAt = Date.now();
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    this.#queue.push(length, bytes);
    this.#queuedBytes += LENGTH_BYTES + bytes.length;
    if (this.#queuedBytes + this.#stream.writeBufferLength > this.#limits.maxQueuedBytes) {
      this.close(new LayerswarmError('too-large', `the peer did not take ${this.#queuedBytes} bytes of messages`));
      return 0;
    }
    this.#scheduleFlush();
    return LENGTH_BYTES + bytes.length;
  }

  close(reason: LayerswarmError): void {
    if (this.#closed) return;
    this.#end(reason);
  }

  #end(reason: LayerswarmError): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#frameTimer);
    clearTimeout(this.#rateTimer);
    this.#queue = [];
    this.#stream.abort(reason);
    this.#owner.onClose(reason);
  }

  /** What is written in one turn leaves together. */
  #scheduleFlush(): void {
    if (this.#flushDue) return;
    this.#flushDue = true;
    queueMicrotask(() => {
      this.#flushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    try {
      while (!this.#closed && this.#queue.length > 0 && !this.#stream.writableNeedsDrain) {
        const batch = this.#nextBatch();
        this.#queuedBytes -= batch.length;
        this.#stream.send(batch);
      }
    } catch (cause) {
      this.#end(new LayerswarmError('peer-gone', 'the control stream cannot be written to', { cause }));
    }
  }

  #nextBatch(): Uint8Array {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || bytes + this.#queue[count]!.length <= WRITE_BATCH_BYTES))
      bytes += this.#queue[count++]!.length;
    const parts = this.#queue.splice(0, count);
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes);
  }

  #onData(data: Uint8Array | Uint8ArrayList): void {
    if (this.#closed) return;
    this.heardAt = Date.now();
    this.#reader.push(data);
    this.#schedulePump();
  }

  /** Never runs within a stream event: a `pause` during `resume` is undone by the muxer. */
  #schedulePump(): void {
    if (this.#pumpDue || this.#closed) return;
    this.#pumpDue = true;
    queueMicrotask(() => {
      this.#pumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    try {
      while (!this.#closed) {
        if (this.#mustWait()) {
          this.#stopFrameTimer();
          if (this.#stream.readStatus === 'readable') this.#stream.pause();
          return;
        }
        const bytes = this.#reader.next(this.#maxFrameBytes());
        if (bytes === undefined) break;
        this.#stopFrameTimer();
        for (const bucket of this.#buckets) bucket.take(Date.now());
        void this.#handle(decodeFrame(bytes), bytes.length);
      }
      if (this.#closed) return;
      if (this.#reader.partial) this.#startFrameTimer();
      if (this.#stream.readStatus === 'paused') this.#stream.resume();
    } catch (error) {
      this.close(
        error instanceof LayerswarmError ? error : new LayerswarmError('peer-gone', 'the control stream failed', { cause: error }),
      );
    }
  }

  #mustWait(): boolean {
    if (this.#handling >= this.#limits.maxHandling) return true;
    const now = Date.now();
    const waitMs = Math.max(0, ...this.#buckets.map((bucket) => bucket.waitMs(now)));
    if (waitMs === 0) return false;
    this.#rateTimer ??= setTimeout(() => {
      this.#rateTimer = undefined;
      this.#schedulePump();
    }, waitMs);
    return true;
  }

  async #handle(frame: Frame | UnknownFrame, bytes: number): Promise<void> {
    this.#handling += 1;
    try {
      await this.#owner.onFrame(frame, bytes);
    } finally {
      this.#handling -= 1;
      if (this.#handling === this.#limits.maxHandling - 1) this.#schedulePump();
    }
  }

  #maxFrameBytes(): number {
    return Date.now() - this.#askedAt < ANSWER_MAY_COME_MS ? MAX_FRAME_BYTES : this.#limits.maxUnaskedBytes;
  }

  #startFrameTimer(): void {
    this.#frameTimer ??= setTimeout(() => {
      this.close(new LayerswarmError('peer-misbehaved', `a frame was not whole after ${this.#limits.frameTimeoutMs} ms`));
    }, this.#limits.frameTimeoutMs);
  }

  #stopFrameTimer(): void {
    clearTimeout(this.#frameTimer);
    this.#frameTimer = undefined;
  }
}
