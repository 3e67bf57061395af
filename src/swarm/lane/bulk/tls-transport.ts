import type { TLSSocket } from 'node:tls';
import { LayerswarmError } from '../../../errors.ts';
import type { LaneTransport, TransportHandler } from '../lane-transport.ts';

/** How long the peer may take to close its end after this side closed its own. */
const CLOSE_TIMEOUT_MS = 2000;
/** TLS gives at most 16 KiB at a time; gathering them makes an eighth of the writes. */
const ARENA_BYTES = 128 * 1024;
const RECORD_BYTES = 16 * 1024;
/** Given to the socket and not yet taken by the kernel. */
const MAX_SEND_BUFFERED = 256 * 1024;
const KEEP_ALIVE_MS = 30_000;

/**
 * Memory that a socket's bytes are gathered in, again and again: what arrives in one turn of the event loop lies in a row. A
 * dialled socket reads right into it. Node does not allow that for accepted ones, whose bytes are copied: a fifth of the
 * receiver's work is saved even so, for fewer writes and less garbage.
 */
export class ReadArena {
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  /** Bytes of the arena that are delivered, and that are filled. The socket reads behind these, into what it was given last. */
  #delivered = 0;
  #filled = 0;
  /** Some of it is still being looked at: the socket gets another arena. */
  #inUse = false;
  #scheduled = false;
  #consume: ((bytes: Uint8Array) => boolean) | undefined;
  #reading = true;

  /** For `tls.connect`. */
  readonly onread = {
    buffer: (): Uint8Array => {
      if (this.#inUse && this.#delivered === this.#filled) {
        this.#inUse = false;
        this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
      }
      if (this.#delivered === this.#filled) this.#delivered = this.#filled = 0;
      return this.#arena.subarray(this.#filled);
    },
    callback: (length: number): boolean => {
      this.#filled += length;
      if (this.#arena.length - this.#filled < RECORD_BYTES) this.flush();
      else this.#schedule();
      return this.#reading && this.#arena.length - this.#filled >= (this.#consume === undefined ? RECORD_BYTES : 0);
    },
  };

  /** Copies bytes in that were read elsewhere. */
  add(bytes: Uint8Array): void {
    if (this.onread.buffer().length < bytes.length) this.flush();
    this.onread.buffer().set(bytes);
    this.onread.callback(bytes.length);
  }

  /** `consume` returns false when the memory stays in use. */
  start(consume: (bytes: Uint8Array) => boolean): void {
    this.#consume = consume;
    this.#schedule();
  }

  set reading(reading: boolean) {
    this.#reading = reading;
  }

  /** Delivers what is here. */
  flush(): void {
    if (this.#delivered === this.#filled || this.#consume === undefined) return;
    const bytes = this.#arena.subarray(this.#delivered, this.#filled);
    this.#delivered = this.#filled;
    if (!this.#consume(bytes)) this.#inUse = true;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }
}

/** A TLS socket as a lane's transport, after its handshake and its ticket. */
export class TlsTransport implements LaneTransport {
  handler: TransportHandler | undefined;
  readonly #socket: TLSSocket;
  readonly #arena: ReadArena;
  readonly #closed = Promise.withResolvers<void>();
  #blocked = false;
  /** What is sent in one turn goes to the kernel as one. */
  #corked = false;
  #error: Error | undefined;

  /** `dialledInto`: what a socket that was dialled reads into. */
  constructor(socket: TLSSocket, dialledInto: ReadArena | undefined) {
    this.#socket = socket;
    this.#arena = dialledInto ?? new ReadArena();
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => {
      // What came before the end is delivered before the end.
      this.#arena.flush();
      this.#closed.resolve();
      this.handler?.onClose(this.#error);
    });
    if (dialledInto === undefined)
      socket.on('data', (chunk: Buffer) => {
        this.#arena.add(chunk);
      });
    this.#arena.start((bytes) => this.handler?.onData(bytes) ?? true);
  }

  send(header: Uint8Array, payload?: Uint8Array, free?: () => void): boolean {
    if (!this.#socket.writable) return false;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    if (payload !== undefined) this.#socket.write(header);
    this.#socket.write(payload ?? header, () => {
      free?.();
      this.#written();
    });
    if (this.#socket.writableLength < MAX_SEND_BUFFERED) return true;
    this.#blocked = true;
    return false;
  }

  pause(): void {
    this.#arena.reading = false;
    this.#socket.pause();
  }

  resume(): void {
    this.#arena.reading = true;
    this.#socket.resume();
  }

  async end(): Promise<void> {
    const timer = setTimeout(() => {
      this.destroy(new LayerswarmError('timeout', 'the peer did not close its end of the bulk connection'));
    }, CLOSE_TIMEOUT_MS);
    this.resume();
    this.#socket.end();
    await this.#closed.promise;
    clearTimeout(timer);
  }

  destroy(error: Error): void {
    this.#socket.destroy(error);
  }

  #written(): void {
    if (!this.#blocked || this.#socket.writableLength > MAX_SEND_BUFFERED / 2) return;
    this.#blocked = false;
    this.handler?.onDrain();
  }
}
