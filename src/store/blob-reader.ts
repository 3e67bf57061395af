import { open, type FileHandle } from 'node:fs/promises';
import { LayerswarmError } from '../errors.ts';
import type { BlobReader, StreamOptions } from './blob-store.ts';
import { giveBuffer, READ_LENGTH, takeBuffer } from './buffer-pool.ts';
import { readFully } from './file-io.ts';
import { storeError } from './store-error.ts';

/** A complete blob, open: it can be read on after it was deleted. */
export class FileBlobReader implements BlobReader {
  readonly size: number;
  readonly path: string;
  readonly #file: FileHandle;
  #onClose: (() => void) | undefined;
  #reads = 0;
  #idle: (() => void) | undefined;

  private constructor(path: string, size: number, file: FileHandle, onClose: () => void) {
    this.path = path;
    this.size = size;
    this.#file = file;
    this.#onClose = onClose;
  }

  static async open(path: string, size: number, onClose: () => void): Promise<FileBlobReader> {
    const file = await open(path, 'r');
    return new FileBlobReader(path, size, file, onClose);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.size || length < 0) {
      throw new LayerswarmError('range-invalid', `expected a range within ${this.size} bytes, received ${length} bytes at ${offset}`);
    }
    const bytes = Buffer.allocUnsafeSlow(Math.min(length, this.size - offset));
    await this.#read(bytes, offset);
    return bytes;
  }

  async readInto(bytes: Uint8Array, offset: number): Promise<void> {
    await this.#read(bytes, offset);
  }

  async *stream(start = 0, end = this.size, options: StreamOptions = {}): AsyncGenerator<Buffer, void, undefined> {
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end > this.size) {
      throw new LayerswarmError('range-invalid', `expected a range within ${this.size} bytes, received [${start}, ${end})`);
    }
    const pooled = options.reuse === true ? takeBuffer() : undefined;
    try {
      for (let offset = start; offset < end;) {
        const length = Math.min(READ_LENGTH, end - offset);
        const bytes = pooled === undefined ? Buffer.allocUnsafeSlow(length) : pooled.subarray(0, length);
        await this.#read(bytes, offset);
        yield bytes;
        offset += length;
      }
    } finally {
      if (pooled !== undefined) giveBuffer(pooled);
    }
  }

  async close(): Promise<void> {
    const onClose = this.#onClose;
    if (onClose === undefined) return;
    this.#onClose = undefined;
    // a descriptor that is closed under a read could by then be another file's
    if (this.#reads > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#file.close();
    onClose();
  }

  async #read(bytes: Uint8Array, offset: number): Promise<void> {
    if (this.#onClose === undefined) throw new LayerswarmError('internal', `the reader of ${this.path} is closed`);
    this.#reads++;
    try {
      await readFully(this.#file.fd, bytes, offset);
    } catch (error) {
      throw storeError(error, `read ${this.path}`);
    } finally {
      this.#reads--;
      if (this.#reads === 0) this.#idle?.();
    }
  }
}
