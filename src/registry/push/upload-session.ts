import { constants, createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import { storeError } from '../../store/store-error.ts';

/** Makes room for so many bytes more on the disk of the store. @throws LayerswarmError `disk-full` */
export type MakeRoom = (bytes: number) => Promise<void>;

/** Bytes that room is made for at a time. */
const ROOM_STEP = 16 * 1024 * 1024;

/** One blob on its way in: the bytes so far in a file, which outlives the connections that bring them. */
export class UploadSession {
  readonly id: string;
  /** The repository, as in `/v2/<repository>/`. */
  readonly repository: string;
  readonly #path: string;
  readonly #now: () => number;
  readonly #onClose: () => void;
  readonly #makeRoom: MakeRoom | undefined;
  /** Up to here there was room when it was asked for. */
  #room = 0;
  #state: 'open' | 'closed' = 'open';
  #size = 0;
  #lastUsed: number;
  /** The one writer whose bytes count. */
  #writer: symbol | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: {
    id: string;
    repository: string;
    path: string;
    now: () => number;
    makeRoom: MakeRoom | undefined;
    onClose: () => void;
  }) {
    this.id = options.id;
    this.repository = options.repository;
    this.#path = options.path;
    this.#now = options.now;
    this.#onClose = options.onClose;
    this.#makeRoom = options.makeRoom;
    this.#lastUsed = options.now();
  }

  /** Bytes received so far. */
  get size(): number {
    return this.#size;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Milliseconds since a client last used it; 0 while one does. */
  get idleMs(): number {
    return this.#writer === undefined ? this.#now() - this.#lastUsed : 0;
  }

  /**
   * Shuts out a writer whose client has come back on another connection, so that `size` is final. It may itself still wait for
   * a connection that is dead without anybody knowing.
   * @throws LayerswarmError `not-found` when the session is closed
   */
  async takeOver(): Promise<void> {
    this.#writer = undefined;
    await this.#writing;
    this.#assertOpen();
    this.#lastUsed = this.#now();
  }

  /**
   * Adds bytes at the end. What arrived before a failure is kept, so that the client can go on from there.
   * @throws LayerswarmError `disk-full`, `aborted`, what `source` throws
   */
  async append(source: AsyncIterable<Uint8Array>): Promise<void> {
    const writer = await this.openWriter();
    try {
      for await (const chunk of source) await writer.write(chunk);
    } finally {
      await writer.close();
    }
  }

  /** Takes the session over, for whoever has the chunks one at a time. The writer must be closed. */
  async openWriter(): Promise<UploadWriter> {
    await this.takeOver();
    const writer = Symbol('writer');
    this.#writer = writer;
    const end = (): void => {
      this.#lastUsed = this.#now();
      if (this.#writer === writer) this.#writer = undefined;
    };
    try {
      const file = await open(this.#path, constants.O_WRONLY | constants.O_CREAT, 0o600);
      return { write: (chunk) => this.#write(file, chunk, writer), close: () => file.close().finally(end) };
    } catch (error) {
      end();
      throw storeError(error, 'keep an upload');
    }
  }

  /** The bytes so far. */
  bytes(): AsyncIterable<Buffer> {
    this.#assertOpen();
    return this.#size === 0
      ? nothing()
      : (createReadStream(this.#path, { end: this.#size - 1, highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>);
  }

  /** Forgets the upload and its file. Idempotent. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#onClose();
    this.#writer = undefined;
    await this.#writing;
    await rm(this.#path, { force: true });
  }

  async #write(file: FileHandle, chunk: Uint8Array, writer: symbol): Promise<void> {
    if (this.#writer !== writer) throw new LayerswarmError('aborted', 'the upload went on through another connection');
    const written = this.#append(file, chunk);
    this.#writing = written.catch(() => undefined);
    try {
      await written;
    } catch (error) {
      throw storeError(error, 'keep an upload');
    }
    this.#size += chunk.length;
  }

  async #append(file: FileHandle, chunk: Uint8Array): Promise<void> {
    const end = this.#size + chunk.length;
    if (end > this.#room) {
      await this.#makeRoom?.(chunk.length + ROOM_STEP);
      this.#room = end + ROOM_STEP;
    }
    await writeAll(file, chunk, this.#size);
  }

  #assertOpen(): void {
    if (this.#state === 'closed')
      throw new LayerswarmError('not-found', 'this upload is not known; it has ended or expired. Start it again');
  }
}

export interface UploadWriter {
  /** @throws LayerswarmError `disk-full`; `aborted` when another connection took over */
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await file.write(chunk, written, chunk.length - written, position + written);
    written += bytesWritten;
  }
}

async function* nothing(): AsyncGenerator<Buffer> {
  // a blob of no bytes
}
