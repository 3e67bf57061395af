import { open, type FileHandle } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import { identityOf, type BlobCheck, type FileIdentity, type ReaderGuard } from './blob-check.ts';
import type { BlobReader, StreamOptions } from '../blob-store.ts';
import { giveBuffer, READ_LENGTH, takeBuffer } from '../disk/buffer-pool.ts';
import { readFully } from '../disk/file-io.ts';
import { storeError } from '../store-error.ts';

/** A complete blob, open: it can be read on after it was deleted. */
export class FileBlobReader implements BlobReader {
  readonly size: number;
  readonly path: string;
  readonly #file: FileHandle;
  readonly #guard: ReaderGuard | undefined;
  /** As it was when `#check` was begun, or found not to be needed. */
  #known: FileIdentity | undefined;
  #check: BlobCheck | undefined;
  #doubted = false;
  #onClose: (() => void) | undefined;
  #reads = 0;
  #idle: (() => void) | undefined;

  private constructor(path: string, size: number, file: FileHandle, onClose: () => void, guard: ReaderGuard | undefined) {
    this.path = path;
    this.size = size;
    this.#file = file;
    this.#onClose = onClose;
    this.#guard = guard;
  }

  /** @param guard compares the bytes before they are given; without it they are given as they are */
  static async open(path: string, size: number, onClose: () => void, guard?: ReaderGuard): Promise<FileBlobReader> {
    const file = await open(path, 'r');
    return new FileBlobReader(path, size, file, onClose, guard);
  }

  async check(end: number): Promise<void> {
    this.#begin();
    try {
      await this.#compare(end);
    } finally {
      this.#ended();
    }
  }

  doubt(): void {
    this.#known = undefined;
    this.#doubted = true;
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

  async #read(bytes: Uint8Array, position: number): Promise<void> {
    this.#begin();
    try {
      do {
        await this.#compare(position + bytes.length);
        await readFully(this.#file.fd, bytes, position);
        // What changed meanwhile may have been read already.
      } while (this.#guard !== undefined && identityOf(this.#file.fd) !== this.#known);
    } catch (error) {
      if (this.#guard === undefined || !isLost(error)) throw storeError(error, `read ${this.path}`);
      await this.#guard.lost();
      throw new LayerswarmError(
        'digest-mismatch',
        `the disk cannot read ${this.path} (${(error as Error).message}); the copy is put aside`,
        { cause: error },
      );
    } finally {
      this.#ended();
    }
  }

  /** @throws `digest-mismatch` when the bytes before `end` are not what was proven */
  async #compare(end: number): Promise<void> {
    if (this.#guard === undefined) return;
    const file = identityOf(this.#file.fd);
    if (file !== this.#known) {
      this.#check = await this.#guard.begin(file, this.#doubted);
      this.#known = file;
      this.#doubted = false;
    }
    await this.#check?.through(Math.min(end, this.size), (bytes, position) => readFully(this.#file.fd, bytes, position));
  }

  #begin(): void {
    if (this.#onClose === undefined) throw new LayerswarmError('internal', `the reader of ${this.path} is closed`);
    this.#reads++;
  }

  #ended(): void {
    this.#reads--;
    if (this.#reads === 0) this.#idle?.();
  }
}

/** What a bad disk, or a file that was cut, answers: it will not get better by being asked again. */
function isLost(error: unknown): boolean {
  return error instanceof LayerswarmError
    ? error.code === 'size-mismatch'
    : error instanceof Error && (error as NodeJS.ErrnoException).code === 'EIO';
}
