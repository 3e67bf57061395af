import type { FileHandle } from 'node:fs/promises';
import { LayerswarmError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { Grade, type PartialBlob } from './blob-store.ts';
import { giveBuffer, READ_LENGTH, takeBuffer } from './buffer-pool.ts';
import { readFully, syncData, writeFully } from './file-io.ts';
import { GradeSaver } from './grade-saver.ts';
import { openPartialFiles, type OpenPartialFiles } from './partial-open.ts';
import { PrefixHash } from './prefix-hash.ts';
import type { SyncPolicy } from './sync-policy.ts';
import { storeError } from './store-error.ts';
import { WriteTracker } from './write-tracker.ts';

/** A longer write is hashed from memory up to here and read back for the rest, so that the event loop is never held for long. */
const MAX_HASHED_AT_ONCE = 1024 * 1024;
/** Pieces beyond the first missing one up to which arriving bytes are hashed before their piece is complete. */
const MAX_AHEAD = 64;

/** What a partial blob asks of the store that it belongs to. */
export interface PartialOwner {
  readonly sync: SyncPolicy;
  /** Takes over the closed file, whose content is proven and synced. */
  publish(partial: PartialFile): Promise<void>;
  closed(partial: PartialFile): Promise<void>;
}

/** `PartialBlob` on disk. What is on the byte path does no more than write, hash and count. */
export class PartialFile implements PartialBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly path: string;
  onCheckpoint: ((index: number, prefixDigest: Buffer) => void) | undefined = undefined;

  readonly #owner: PartialOwner;
  readonly #file: FileHandle;
  readonly #saver: GradeSaver;
  readonly #grades: Uint8Array;
  readonly #hash: PrefixHash;
  readonly #writes = new WriteTracker();
  #haveBytes = 0;
  /** The first piece that is missing. */
  #frontier = 0;
  /** Checkpoints that `onCheckpoint` has been told. */
  #announced = 0;
  /** Counts rewinds, so that a read begun before one is not hashed after it. */
  #epoch = 0;
  #verdict: boolean | undefined;
  #advancing: Promise<void> | undefined;
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
    this.#grades = state.grades.slice();
    this.#saver = new GradeSaver({
      state: { ...state, grades: this.#grades },
      stateFile,
      policy: owner.sync,
      syncData: () => syncData(this.#file.fd),
      unsettled: () => this.#writes.activePieces(),
    });
    this.#hash = new PrefixHash(state.digest.algorithm, state.size);
    for (let piece = 0; piece < this.pieceCount; piece++) {
      if (state.grades[piece] !== Grade.missing) this.#haveBytes += this.#lengthOf(piece);
    }
    this.#moveFrontier();
  }

  /** @throws `range-invalid` for a piece length that gives too many pieces; `disk-full`, `store-unwritable` */
  static async open(owner: PartialOwner, paths: { data: string; state: string }, digest: Digest, size: number, pieceLength: number): Promise<PartialFile> {
    return new PartialFile(owner, paths.data, await openPartialFiles(paths, digest, size, pieceLength));
  }

  get checkpointLength(): number {
    return this.#hash.checkpointLength;
  }

  get hashedBytes(): number {
    return Math.min(this.#hash.position, this.#completeBytes());
  }

  get prefixDigests(): readonly Buffer[] {
    const { digests } = this.#hash;
    const count = this.#closedCheckpoints();
    return count === digests.length ? digests : digests.slice(0, count);
  }

  get verdict(): boolean | undefined {
    return this.#verdict;
  }

  /** Deleted while it is open: it can be written on, and never becomes a blob. */
  get removed(): boolean {
    return this.#removed;
  }

  get committed(): boolean {
    return this.#committed;
  }

  markRemoved(): void {
    this.#removed = true;
  }

  grade(piece: number): Grade {
    this.#checkPiece(piece);
    return this.#grades[piece] as Grade;
  }

  haveBytes(): number {
    return this.#haveBytes;
  }

  /** Bytes for a piece that is complete already are dropped: what has a grade changes only through `discard`. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#checkUsable();
    if (bytes.length === 0) return;
    const piece = this.#pieceAt(offset, bytes.length);
    if (this.#discarding !== undefined) await this.#discarding;
    if (this.#grades[piece] !== Grade.missing) return;
    const overlaps = this.#writes.begin(piece, offset, offset + bytes.length);
    try {
      // the thread pool writes while this thread hashes
      const written = writeFully(this.#file.fd, bytes, offset);
      this.#hashArriving(piece, offset, bytes, overlaps);
      await written;
    } catch (error) {
      this.#unhash(piece);
      throw storeError(error, `write ${this.digest.toString()}`);
    } finally {
      this.#writes.end(piece, offset, offset + bytes.length);
    }
  }

  complete(piece: number, grade: Grade): void {
    this.#checkUsable();
    this.#checkPiece(piece);
    const before = this.#grades[piece]!;
    if (grade <= before) return;
    this.#grades[piece] = grade;
    const written = before === Grade.missing ? this.#lengthOf(piece) : 0;
    this.#haveBytes += written;
    if (written > 0) this.#moveFrontier();
    this.#saver.changed(written);
  }

  async discard(pieces: Iterable<number>): Promise<void> {
    this.#checkUsable();
    const discarded = [...new Set(pieces)];
    for (const piece of discarded) this.#checkPiece(piece);
    if (discarded.length === 0) return;
    const first = Math.min(...discarded);
    for (const piece of discarded) {
      if (this.#grades[piece] !== Grade.missing) this.#haveBytes -= this.#lengthOf(piece);
      this.#grades[piece] = Grade.missing;
    }
    this.#frontier = Math.min(this.#frontier, first);
    this.#rewind(this.#startOf(first));
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
    if (this.#state === 'closed') throw new LayerswarmError('internal', `the partial blob ${this.digest.toString()} is closed`);
    if (offset < 0 || length < 0 || offset > this.size) {
      throw new LayerswarmError('range-invalid', `expected a range within ${this.size} bytes, received ${length} bytes at ${offset}`);
    }
    const bytes = Buffer.allocUnsafeSlow(Math.min(length, this.size - offset));
    try {
      await readFully(this.#file.fd, bytes, offset);
    } catch (error) {
      throw storeError(error, `read ${this.digest.toString()}`);
    }
    return bytes;
  }

  advance(): Promise<void> {
    this.#checkUsable();
    if (this.#advancing !== undefined) return this.#advancing;
    this.#announce();
    if (this.#hash.position < this.#completeBytes()) return (this.#advancing = this.#readBack());
    this.#judge();
    return Promise.resolve();
  }

  async commit(): Promise<void> {
    this.#checkUsable();
    if (this.#verdict !== true) {
      throw new LayerswarmError('verification-failed', `${this.digest.toString()} is not proven: ${this.#verdict === false ? 'its bytes have another digest' : `${this.hashedBytes} of ${this.size} bytes are hashed`}`);
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

  async #release(): Promise<void> {
    this.#state = 'closed';
    await this.#file.close();
    await this.#saver.close();
    await this.#owner.closed(this);
  }

  /** Waits until nothing is under way any more. */
  async #settle(): Promise<void> {
    await this.#writes.idle();
    await this.#advancing;
    await this.#saver.idle();
  }

  /** Hashes what was not hashed when it arrived. */
  async #readBack(): Promise<void> {
    const buffer = takeBuffer();
    try {
      while (this.#hash.position < this.#completeBytes()) {
        const { position } = this.#hash;
        const piece = Math.floor(position / this.pieceLength);
        if (this.#writes.active(piece)) {
          await this.#writes.idle(piece);
          continue;
        }
        const epoch = this.#epoch;
        const end = Math.min(this.#startOf(piece + 1), position + READ_LENGTH);
        const bytes = buffer.subarray(0, end - position);
        await readFully(this.#file.fd, bytes, position);
        if (this.#state !== 'open') break;
        if (epoch !== this.#epoch) continue;
        this.#hash.update(bytes);
        this.#announce();
      }
      this.#judge();
    } catch (error) {
      throw storeError(error, `read back ${this.digest.toString()}`);
    } finally {
      // here, not when the promise settles: a piece that completes in between needs a new run
      this.#advancing = undefined;
      giveBuffer(buffer);
    }
  }

  #judge(): void {
    if (this.#verdict === undefined && this.hashedBytes === this.size) {
      this.#verdict = this.#hash.digests.at(-1)!.equals(this.digest.bytes());
    }
  }

  #announce(): void {
    const count = this.#closedCheckpoints();
    while (this.#announced < count) {
      const index = this.#announced++;
      this.onCheckpoint?.(index, this.#hash.digests[index]!);
    }
  }

  /** Checkpoints whose bytes all lie in complete pieces. */
  #closedCheckpoints(): number {
    const { hashedBytes } = this;
    if (hashedBytes === this.size) return this.#hash.digests.length;
    return Math.floor(hashedBytes / this.checkpointLength);
  }

  /** Bytes at the hash's position are hashed from memory, unless another write of the same bytes could win on the disk. */
  #hashArriving(piece: number, offset: number, bytes: Uint8Array, overlaps: boolean): void {
    const start = this.#startOf(piece);
    if (overlaps || offset < this.#hash.position) {
      this.#unhash(piece);
      this.#writes.contest(piece);
      return;
    }
    if (offset !== this.#hash.position || this.#writes.contested(piece) || piece > this.#frontier + MAX_AHEAD) return;
    if (offset === start) this.#hash.keep();
    this.#hash.update(bytes.length > MAX_HASHED_AT_ONCE ? bytes.subarray(0, MAX_HASHED_AT_ONCE) : bytes);
  }

  #unhash(piece: number): void {
    this.#rewind(this.#startOf(piece));
  }

  #rewind(position: number): void {
    if (this.#hash.position <= position) return;
    this.#hash.rewind(position);
    this.#epoch++;
    this.#verdict = undefined;
    this.#announced = Math.min(this.#announced, this.#hash.digests.length);
  }

  #moveFrontier(): void {
    while (this.#frontier < this.pieceCount && this.#grades[this.#frontier] !== Grade.missing) {
      this.#writes.settle(this.#frontier);
      this.#frontier++;
    }
    this.#hash.forget(this.#startOf(this.#frontier));
  }

  #completeBytes(): number {
    return this.#startOf(this.#frontier);
  }

  #startOf(piece: number): number {
    return Math.min(this.size, piece * this.pieceLength);
  }

  #lengthOf(piece: number): number {
    return this.#startOf(piece + 1) - this.#startOf(piece);
  }

  #pieceAt(offset: number, length: number): number {
    const piece = Math.floor(offset / this.pieceLength);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > this.size || offset + length > this.#startOf(piece + 1)) {
      throw new LayerswarmError('range-invalid', `expected bytes within one piece of ${this.pieceLength} and within ${this.size}, received ${length} bytes at ${offset}`);
    }
    return piece;
  }

  #checkPiece(piece: number): void {
    if (!Number.isInteger(piece) || piece < 0 || piece >= this.pieceCount) {
      throw new LayerswarmError('range-invalid', `expected a piece below ${this.pieceCount}, received ${piece}`);
    }
  }

  #checkUsable(): void {
    this.#saver.check();
    if (this.#state !== 'open') throw new LayerswarmError('internal', `the partial blob ${this.digest.toString()} is closed`);
  }
}
