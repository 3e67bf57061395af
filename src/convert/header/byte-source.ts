import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { LayerswarmError } from '../../errors.ts';

/** Bytes at known offsets: a disk image's file, a virtual disk, a volume in it, or a test's memory. */
export interface ByteSource {
  /** Bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`.
   * @throws LayerswarmError `size-mismatch` when they are not all there
   */
  read(offset: number, length: number): Buffer;
}

/** The most that is ever asked for at once; a length that comes from a hostile header is checked against it. */
const MAX_READ_BYTES = 32 * 1024 * 1024;

export class FileSource implements ByteSource, Disposable {
  readonly size: number;
  readonly #fd: number;

  /** @param size given for files that do not say, such as block devices */
  constructor(path: string, size?: number) {
    this.#fd = openSync(path, 'r');
    this.size = size ?? fstatSync(this.#fd).size;
  }

  read(offset: number, length: number): Buffer {
    checkRange(offset, length, this.size);
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const count = readSync(this.#fd, bytes, done, length - done, offset + done);
      if (count === 0) throw truncated(offset, length, this.size);
      done += count;
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

export class MemorySource implements ByteSource {
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  read(offset: number, length: number): Buffer {
    checkRange(offset, length, this.size);
    return Buffer.from(this.#bytes.subarray(offset, offset + length));
  }
}

/** A part of another source, for example a partition of a disk. */
export class WindowSource implements ByteSource {
  readonly size: number;
  readonly #source: ByteSource;
  readonly #offset: number;

  constructor(source: ByteSource, offset: number, size: number) {
    this.#source = source;
    this.#offset = offset;
    this.size = size;
  }

  read(offset: number, length: number): Buffer {
    checkRange(offset, length, this.size);
    return this.#source.read(this.#offset + offset, length);
  }
}

/** `length` bytes from `offset`, or undefined where the source ends before. */
export function readIfThere(source: ByteSource, offset: number, length: number): Buffer | undefined {
  return Number.isSafeInteger(offset) && offset >= 0 && offset + length <= source.size ? source.read(offset, length) : undefined;
}

function checkRange(offset: number, length: number, size: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0 || offset + length > size)
    throw truncated(offset, length, size);
  if (length > MAX_READ_BYTES) throw new LayerswarmError('too-large', `a table of ${length} bytes is larger than any sound disk has`);
}

function truncated(offset: number, length: number, size: number): LayerswarmError {
  return new LayerswarmError(
    'size-mismatch',
    `the disk is cut short or damaged: it refers to bytes ${offset}-${offset + length}, and has ${size}`,
  );
}
