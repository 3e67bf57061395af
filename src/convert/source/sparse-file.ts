import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { errorCode, LayerswarmError } from '../../errors.ts';

const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** A new file in the scratch folder that what is unpacked is written to, with holes where it has zeros. */
export class SparseFile implements Disposable {
  readonly #path: string;
  readonly #fd: number;
  readonly #limit: number;
  #size = 0;

  /** @param limit bytes; one more is an error: a small archive may hold any number of zeros */
  constructor(path: string, limit: number) {
    this.#path = path;
    this.#fd = openSync(path, 'wx', 0o600);
    this.#limit = limit;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** @throws LayerswarmError `too-large`, `disk-full` */
  write(chunk: Buffer): void {
    if (this.#size + chunk.length > this.#limit)
      throw new LayerswarmError(
        'too-large',
        `unpacked, the disk has more than the ${this.#limit} bytes that are the limit; raise it with --max-disk-size where that is meant`,
      );
    // What is not zero is written in runs of whole blocks of the file.
    let run = 0;
    for (let at = 0; at < chunk.length;) {
      const end = Math.min(chunk.length, at + BLOCK_BYTES - ((this.#size + at) % BLOCK_BYTES));
      if (ZEROS.subarray(0, end - at).equals(chunk.subarray(at, end))) {
        this.#put(chunk.subarray(run, at), this.#size + run);
        run = end;
      }
      at = end;
    }
    this.#put(chunk.subarray(run), this.#size + run);
    this.#size += chunk.length;
  }

  /** Moves on without writing. */
  skip(bytes: number): void {
    if (this.#size + bytes > this.#limit)
      throw new LayerswarmError(
        'too-large',
        `unpacked, the disk has more than the ${this.#limit} bytes that are the limit; raise it with --max-disk-size where that is meant`,
      );
    this.#size += bytes;
  }

  [Symbol.dispose](): void {
    // A hole at the end is length alone.
    ftruncateSync(this.#fd, this.#size);
    closeSync(this.#fd);
  }

  #put(bytes: Buffer, position: number): void {
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
    } catch (error) {
      if (errorCode(error) !== 'disk-full') throw error;
      throw new LayerswarmError(
        'disk-full',
        `no space left beside ${this.#path} for the unpacked disk: use another folder with --scratch`,
        { cause: error },
      );
    }
  }
}
