import type { FileHandle } from 'node:fs/promises';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { Grade } from '../blob-store.ts';
import { readFully, readFullySync, syncData, writeFully, writeFullySync } from '../disk/file-io.ts';
import { GradeSaver } from './grade-saver.ts';
import { openPartialFiles, type OpenPartialFiles } from './partial-open.ts';
import type { OwnedPartial, PartialOwner } from './partial-owner.ts';
import { PieceRanges } from './piece-ranges.ts';
import { PrefixProgress } from './prefix-progress.ts';
import { storeError } from '../store-error.ts';
import { WriteTracker } from './write-tracker.ts';

/** `PartialBlob` on disk. What is on the byte path does no more than write, hash and count. */
export class PartialFile implements OwnedPartial {
  readonly digest: Digest;
  readonly size: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly path: string;
  onCheckpoint: ((index: number, prefixDigest: Buffer) => void) | undefined = undefined;

  readonly #owner: PartialOwner;
  readonly #file: FileHandle;
  readonly #saver: GradeSaver;
  readonly #pieces: PieceRanges;
  readonly #grades: Uint8Array;
  readonly #prefix: PrefixProgress;
  readonly #writes = new WriteTracker();
  #haveBytes = 0;
  /** The first piece that is missing. */
  #frontier = 0;
  #discarding: Promise<void> | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #removed = false;
  #committed = false;

  private constructor(owner: PartialOwner, path: string, { data, stateFile, state }: OpenPartialFiles) {
    this.#owner = owner;
    this.path = path;
    this.#file = data;
    this.digest = state.digest;
    this.size = state.size;
    this.pieceLength = state.pieceLength;
    this.pieceCount = state.grades.length;
    this.#pieces = new PieceRanges(state.size, state.pieceLength, state.grades.length);
    this.#grades = state.grades.slice();
    this.#saver = new GradeSaver({
      state: { ...state, grades: this.#grades },
      stateFile,
      policy: owner.sync,
      syncData: () => syncData(this.#file.fd),
      unsettled: () => this.#writes.activePieces(),
    });
    this.#prefix = new PrefixProgress({
      digest: state.digest,
      size: state.size,
      pieceLength: state.pieceLength,
      writes: this.#writes,
      read: (bytes, position) => this.#read(bytes, position),
      readNow: (bytes, position) => {
        readFullySync(this.#file.fd, bytes, position);
      },
      onCheckpoint: (index, prefixDigest) => this.onCheckpoint?.(index, prefixDigest),
    });
    for (let piece = 0; piece < this.pieceCount; piece++) {
      if (state.grades[piece] !== Grade.missing) this.#haveBytes += this.#pieces.lengthOf(piece);
    }
    this.#moveFrontier();
  }

  /** @throws `range-invalid` for a piece length that gives too many pieces; `disk-full`, `store-unwritable` */
  static async open(
    owner: PartialOwner,
    paths: { data: string; state: string },
    digest: Digest,
    size: number,
    pieceLength: number,
  ): Promise<PartialFile> {
    try {
      return new PartialFile(owner, paths.data, await openPartialFiles(paths, digest, size, pieceLength));
    } catch (error) {
      // said here, since it may be on its way to another thread, which gets no errno
      throw storeError(error, `open the partial blob ${digest.toString()}`);
    }
  }

  get checkpointLength(): number {
    return this.#prefix.checkpointLength;
  }

  get hashedBytes(): number {
    return this.#prefix.hashedBytes;
  }

  get prefixDigests(): readonly Buffer[] {
    return this.#prefix.prefixDigests;
  }

  get verdict(): boolean | undefined {
    return this.#prefix.verdict;
  }

  get removed(): boolean {
    return this.#removed;
  }

  get closing(): boolean {
    return this.#state !== 'open';
  }

  get committed(): boolean {
    return this.#committed;
  }

  markRemoved(): void {
    this.#removed = true;
  }

  grade(piece: number): Grade {
    this.#pieces.check(piece);
    return this.#grades[piece] as Grade;
  }

  haveBytes(): number {
    return this.#haveBytes;
  }

  /** Bytes for a piece that is complete already are dropped: what has a grade changes only through `discard`. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#checkUsable();
    if (bytes.length === 0) return;
    const piece = this.#pieces.at(offset, bytes.length);
    if (this.#discarding !== undefined) {
      await this.#discarding;
      this.#checkUsable();
    }
    if (this.#grades[piece] !== Grade.missing) return;
    const overlaps = this.#writes.begin(piece, offset, offset + bytes.length);
    try {
      // the thread pool writes while this thread hashes
      const written = writeFully(this.#file.fd, bytes, offset);
      this.#prefix.arriving(piece, offset, bytes, overlaps);
      await written;
    } catch (error) {
      this.#prefix.rewind(this.#pieces.startOf(piece));
      throw storeError(error, `write ${this.digest.toString()}`);
    } finally {
      this.#writes.end(piece, offset, offset + bytes.length);
    }
  }

  writeNow(offset: number, bytes: Uint8Array): Promise<void> | undefined {
    this.#checkUsable();
    if (bytes.length === 0) return undefined;
    const piece = this.#pieces.at(offset, bytes.length);
    if (this.#discarding !== undefined) return this.write(offset, bytes);
    if (this.#grades[piece] !== Grade.missing) return undefined;
    this.#catchUp(offset);
    const overlaps = this.#writes.begin(piece, offset, offset + bytes.length);
    try {
      writeFullySync(this.#file.fd, bytes, offset);
      this.#prefix.arriving(piece, offset, bytes, overlaps);
      if (!overlaps) this.#writes.wrote(piece, this.#pieces.startOf(piece), offset, offset + bytes.length);
    } catch (error) {
      this.#prefix.rewind(this.#pieces.startOf(piece));
      throw storeError(error, `write ${this.digest.toString()}`);
    } finally {
      this.#writes.end(piece, offset, offset + bytes.length);
    }
    return undefined;
  }

  complete(piece: number, grade: Grade): void {
    this.#checkUsable();
    this.#pieces.check(piece);
    const before = this.#grades[piece]!;
    if (grade <= before) return;
    this.#grades[piece] = grade;
    const written = before === Grade.missing ? this.#pieces.lengthOf(piece) : 0;
    this.#haveBytes += written;
    if (written > 0) this.#moveFrontier();
    this.#saver.changed(written);
  }

  async discard(pieces: Iterable<number>): Promise<void> {
    this.#checkUsable();
    const discarded = [...new Set(pieces)];
    for (const piece of discarded) this.#pieces.check(piece);
    if (discarded.length === 0) return;
    const first = Math.min(...discarded);
    for (const piece of discarded) {
      if (this.#grades[piece] !== Grade.missing) this.#haveBytes -= this.#pieces.lengthOf(piece);
      this.#grades[piece] = Grade.missing;
      this.#writes.forget(piece);
    }
    this.#frontier = Math.min(this.#frontier, first);
    this.#prefix.rewind(this.#pieces.startOf(first));
    this.#prefix.setCompleteBytes(this.#pieces.startOf(this.#frontier));
    if (!this.#saver.mayBeSaved(discarded)) return;
    // new bytes must not be written while a crash would still believe the old grade
    const durable = this.#saver.save({ durable: true });
    this.#discarding = durable;
    try {
      await durable;
    } finally {
      if (this.#discarding === durable) this.#discarding = undefined;
    }
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (this.#state === 'closed') throw new LayerswarmError('unavailable', `the partial blob ${this.digest.toString()} is closed`);
    if (offset < 0 || length < 0 || offset > this.size) {
      throw new LayerswarmError('range-invalid', `expected a range within ${this.size} bytes, received ${length} bytes at ${offset}`);
    }
    const bytes = Buffer.allocUnsafeSlow(Math.min(length, this.size - offset));
    await this.#read(bytes, offset);
    return bytes;
  }

  readInto(bytes: Uint8Array, offset: number): void {
    if (this.#state === 'closed') throw new LayerswarmError('internal', `the partial blob ${this.digest.toString()} is closed`);
    try {
      readFullySync(this.#file.fd, bytes, offset);
    } catch (error) {
      throw storeError(error, `read ${this.digest.toString()}`);
    }
  }

  advance(): Promise<void> {
    try {
      this.#checkUsable();
      return this.#prefix.advance();
    } catch (error) {
      return Promise.reject(storeError(error, `hash ${this.digest.toString()}`));
    }
  }

  async commit(): Promise<void> {
    this.#checkUsable();
    if (this.verdict !== true) {
      throw new LayerswarmError(
        'verification-failed',
        `${this.digest.toString()} is not proven: ${this.verdict === false ? 'its bytes have another digest' : `${this.hashedBytes} of ${this.size} bytes are hashed`}`,
      );
    }
    if (this.#removed) throw new LayerswarmError('aborted', `${this.digest.toString()} was deleted while it was fetched`);
    this.#state = 'closing';
    try {
      await this.#settle();
      await this.#file.sync();
      await this.#owner.publish(this);
      this.#committed = true;
    } catch (error) {
      this.#state = 'open';
      throw storeError(error, `commit ${this.digest.toString()}`);
    }
    await this.#release();
  }

  async close(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    try {
      await this.#settle();
      if (!this.#removed) await this.#saver.save({ durable: false });
    } catch (error) {
      throw storeError(error, `close ${this.digest.toString()}`);
    } finally {
      await this.#release();
    }
  }

  async #read(bytes: Uint8Array, position: number): Promise<void> {
    try {
      await readFully(this.#file.fd, bytes, position);
    } catch (error) {
      throw storeError(error, `read ${this.digest.toString()}`);
    }
  }

  #catchUp(position: number): void {
    try {
      this.#prefix.catchUp(position);
    } catch (error) {
      throw storeError(error, `read ${this.digest.toString()}`);
    }
  }

  async #release(): Promise<void> {
    this.#state = 'closed';
    try {
      await this.#file.close();
      await this.#saver.close();
    } catch (error) {
      throw storeError(error, `close ${this.digest.toString()}`);
    } finally {
      await this.#owner.closed(this);
    }
  }

  /** Waits until nothing is under way any more. */
  async #settle(): Promise<void> {
    await this.#writes.idle();
    await this.#prefix.stop();
    await this.#saver.idle();
  }

  #moveFrontier(): void {
    while (this.#frontier < this.pieceCount && this.#grades[this.#frontier] !== Grade.missing) {
      this.#writes.settle(this.#frontier);
      this.#frontier++;
    }
    this.#prefix.setCompleteBytes(this.#pieces.startOf(this.#frontier));
  }

  #checkUsable(): void {
    this.#saver.check();
    if (this.#state !== 'open') throw new LayerswarmError('unavailable', `the partial blob ${this.digest.toString()} is closed`);
  }
}
