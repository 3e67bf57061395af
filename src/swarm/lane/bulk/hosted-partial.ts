import type { FileHandle } from 'node:fs/promises';
import { LayerswarmError } from '../../../errors.ts';
import type { Digest } from '../../../oci/digest.ts';
import { Grade, type PieceSender } from '../../../store/blob-store.ts';
import type { OwnedPartial, PartialOwner } from '../../../store/partial-owner.ts';
import type { HostedFile } from '../lane.ts';
import type { HashState, MainMethods, WorkerMethods } from './bulk-protocol.ts';
import type { PortRpc } from './port-rpc.ts';

export interface HostedPartialParts {
  readonly id: number;
  readonly digest: Digest;
  readonly size: number;
  readonly pieceLength: number;
  readonly path: string;
  /** For reading. */
  readonly file: FileHandle;
  readonly owner: PartialOwner;
  readonly grades: Uint8Array;
  readonly checkpointLength: number;
  readonly worker: PortRpc<MainMethods, WorkerMethods>;
  sender(start: number, onPiece: (piece: number) => void | Promise<void>): PieceSender;
  closed(): void;
}

/**
 * A `PartialBlob` whose file, hash and saved grades the worker has. What is asked often is answered from a copy here: grades are
 * changed on this side alone, and the worker follows; the hash is the worker's, and this side follows.
 */
export class HostedPartial implements OwnedPartial {
  readonly digest: Digest;
  readonly size: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly checkpointLength: number;
  readonly path: string;
  onCheckpoint: ((index: number, prefixDigest: Buffer) => void) | undefined = undefined;
  removed = false;
  committed = false;
  readonly #parts: HostedPartialParts;
  readonly #grades: Uint8Array;
  #haveBytes = 0;
  #hash: HashState = { hashedBytes: 0, verdict: undefined };
  #digests: Buffer[] = [];
  /** Discards so far; the worker counts along. */
  #epoch = 0;
  #advancing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** A piece was completed since the last run began. */
  #changed = false;
  #reads = new Set<Promise<unknown>>();
  #open = true;

  constructor(parts: HostedPartialParts) {
    this.#parts = parts;
    this.digest = parts.digest;
    this.size = parts.size;
    this.pieceLength = parts.pieceLength;
    this.pieceCount = parts.grades.length;
    this.checkpointLength = parts.checkpointLength;
    this.path = parts.path;
    this.#grades = parts.grades;
    for (let piece = 0; piece < this.pieceCount; piece++) if (this.#grades[piece] !== Grade.missing) this.#haveBytes += this.#lengthOf(piece);
  }

  get hashedBytes(): number {
    return this.#hash.hashedBytes;
  }

  get prefixDigests(): readonly Buffer[] {
    return this.#digests;
  }

  get verdict(): boolean | undefined {
    return this.#hash.verdict;
  }

  grade(piece: number): Grade {
    this.#checkPiece(piece);
    return this.#grades[piece] as Grade;
  }

  haveBytes(): number {
    return this.#haveBytes;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    const copy = Uint8Array.from(bytes);
    await this.#parts.worker.call('writePartial', { partial: this.#parts.id, offset, bytes: copy }, { transfer: [copy.buffer] });
  }

  sender(start: number, onPiece: (piece: number) => void | Promise<void>): PieceSender {
    this.#checkOpen();
    return this.#parts.sender(start, onPiece);
  }

  complete(piece: number, grade: Grade): void {
    this.#checkOpen();
    this.#checkPiece(piece);
    const before = this.#grades[piece]!;
    if (grade <= before) return;
    if (before === Grade.missing) this.#haveBytes += this.#lengthOf(piece);
    this.#grades[piece] = grade;
    this.#changed = true;
    const { id: partial, worker } = this.#parts;
    worker.notify('completePieces', { partial, pieces: [piece], grade }, (waiting) => waiting.partial === partial && waiting.grade === grade && waiting.pieces.push(piece) > 0);
  }

  share(first: number, notes: readonly Uint8Array[]): void {
    if (this.#open) this.#parts.worker.notify('sharePieces', { partial: this.#parts.id, first, notes });
  }

  async discard(pieces: Iterable<number>): Promise<void> {
    this.#checkOpen();
    const discarded = [...new Set(pieces)];
    for (const piece of discarded) this.#checkPiece(piece);
    if (discarded.length === 0) return;
    for (const piece of discarded) {
      if (this.#grades[piece] !== Grade.missing) this.#haveBytes -= this.#lengthOf(piece);
      this.#grades[piece] = Grade.missing;
    }
    // What the worker said of the hash so far no longer holds beyond the first of them, nor does what it is just saying.
    const epoch = ++this.#epoch;
    const first = Math.min(...discarded) * this.pieceLength;
    this.#hash = { hashedBytes: Math.min(this.#hash.hashedBytes, first), verdict: undefined };
    this.#digests = this.#digests.slice(0, Math.floor(first / this.checkpointLength));
    const { digests, ...hash } = await this.#parts.worker.call('discardPieces', { partial: this.#parts.id, pieces: discarded });
    if (epoch !== this.#epoch) return;
    for (let index = this.#digests.length; index < digests.length; index++) this.onCheckpointClosed(epoch, index, Buffer.from(digests[index]!));
    // Whoever heard of a checkpoint may have discarded again.
    if (epoch === this.#epoch) this.#hash = hash;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    this.#checkOpen();
    if (offset < 0 || length < 0 || offset > this.size) throw new LayerswarmError('range-invalid', `expected a range within ${this.size} bytes, received ${length} bytes at ${offset}`);
    const reading = this.#read(offset, Math.min(length, this.size - offset));
    this.#reads.add(reading);
    try {
      return await reading;
    } finally {
      this.#reads.delete(reading);
    }
  }

  advance(): Promise<void> {
    this.#checkOpen();
    if (this.#advancing === undefined) return this.#canAdvance ? (this.#advancing = this.#advance()) : Promise.resolve();
    if (!this.#changed) return this.#next ?? this.#advancing;
    // The run under way may not know of pieces that were completed after it began; all who ask meanwhile share the next one.
    this.#next ??= this.#advanceAfter(this.#advancing);
    return this.#next;
  }

  async commit(): Promise<void> {
    this.#checkOpen();
    if (this.verdict !== true) throw new LayerswarmError('verification-failed', `${this.digest.toString()} is not proven`);
    await this.#parts.worker.call('commitPartial', { partial: this.#parts.id });
    this.committed = true;
    await this.#release();
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      // A worker that is gone has nothing left to save.
      if (!this.#parts.worker.isClosed) await this.#parts.worker.call('closePartial', { partial: this.#parts.id });
    } finally {
      await this.#release();
    }
  }

  get closing(): boolean {
    return !this.#open;
  }

  markRemoved(): void {
    this.removed = true;
    this.#parts.worker.notify('removePartial', { partial: this.#parts.id });
  }

  /** The worker has synced and is about to close the file. */
  async publish(): Promise<void> {
    await this.#parts.owner.publish(this);
  }

  onCheckpointClosed(epoch: number, index: number, digest: Buffer): void {
    // One that follows others which were not heard comes again with the answer to the discard.
    if (epoch !== this.#epoch || index !== this.#digests.length || !this.#open) return;
    this.#digests.push(digest);
    this.#hash = { hashedBytes: Math.max(this.#hash.hashedBytes, Math.min(this.size, (index + 1) * this.checkpointLength)), verdict: this.#hash.verdict };
    this.onCheckpoint?.(index, digest);
  }

  /** What was said of the hash last may be less than what is hashed, never more. */
  get #canAdvance(): boolean {
    const { hashedBytes, verdict } = this.#hash;
    return verdict === undefined && (hashedBytes === this.size || this.#grades[Math.floor(hashedBytes / this.pieceLength)] !== Grade.missing);
  }

  async #advance(): Promise<void> {
    const epoch = this.#epoch;
    this.#changed = false;
    try {
      const hash = await this.#parts.worker.call('advancePartial', { partial: this.#parts.id });
      if (epoch === this.#epoch) this.#hash = hash;
    } finally {
      this.#advancing = undefined;
    }
  }

  async #advanceAfter(running: Promise<void>): Promise<void> {
    // What it failed with, its own callers hear.
    await running.catch(() => undefined);
    this.#next = undefined;
    // The run before has come to the end after all, and whoever waited for that may have closed the blob since.
    if (!this.#open || this.verdict === true) return;
    this.#advancing = this.#advance();
    await this.#advancing;
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.#parts.file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new LayerswarmError('size-mismatch', `${this.path} ends before its length`);
      done += bytesRead;
    }
    return bytes;
  }

  async #release(): Promise<void> {
    this.#open = false;
    this.#parts.closed();
    await Promise.allSettled(this.#reads);
    try {
      await this.#parts.file.close();
    } finally {
      await this.#parts.owner.closed(this);
    }
  }

  #lengthOf(piece: number): number {
    return Math.min(this.size, (piece + 1) * this.pieceLength) - piece * this.pieceLength;
  }

  #checkPiece(piece: number): void {
    if (!Number.isInteger(piece) || piece < 0 || piece >= this.pieceCount) throw new LayerswarmError('range-invalid', `expected a piece below ${this.pieceCount}, received ${piece}`);
  }

  #checkOpen(): void {
    if (!this.#open) throw new LayerswarmError('unavailable', `the partial blob ${this.digest.toString()} is closed`);
  }
}

export interface HostedPartialSenderParts {
  readonly id: number;
  readonly partial: number;
  readonly host: object;
  readonly worker: PortRpc<MainMethods, WorkerMethods>;
  onPiece(piece: number): void | Promise<void>;
  forget(): void;
}

/** One sender of a hosted blob: a lane in the worker writes there itself, anybody else through `write`. */
export class HostedPartialSender implements PieceSender {
  readonly hosted: HostedFile;
  readonly #parts: HostedPartialSenderParts;
  /** Pieces that `onPiece` is still busy with. */
  #busy: Promise<void> = Promise.resolve();
  #failure: unknown;
  #released = false;
  /** The worker has closed it, and has said of it what there was to say. */
  #ended = false;

  constructor(parts: HostedPartialSenderParts) {
    this.#parts = parts;
    this.hosted = { host: parts.host, id: parts.id, ended: () => { this.#ended = true; } };
  }

  async write(offset: number, chunk: Uint8Array): Promise<void> {
    const bytes = Uint8Array.from(chunk);
    await this.#parts.worker.call('writeSender', { sender: this.#parts.id, offset, bytes }, { transfer: [bytes.buffer] });
    await this.#busy;
    if (this.#failure !== undefined) throw this.#failure;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (this.#ended) this.#parts.forget();
    else void this.#forget();
  }

  onPiece(piece: number): void {
    if (this.#released) {
      // Whoever asked does not count it any more: it has to come again.
      this.#parts.worker.notify('rejectPiece', { partial: this.#parts.partial, piece });
      return;
    }
    this.#busy = Promise.all([this.#busy, this.#tell(piece)]).then(() => undefined);
  }

  async #tell(piece: number): Promise<void> {
    try {
      await this.#parts.onPiece(piece);
    } catch (error) {
      this.#failure ??= error;
      this.#parts.worker.notify('rejectPiece', { partial: this.#parts.partial, piece });
    }
  }

  /** What the worker said before it heard of the release still arrives. */
  async #forget(): Promise<void> {
    try {
      await this.#parts.worker.call('closeSender', { sender: this.#parts.id });
    } catch (error) {
      if (!(error instanceof LayerswarmError)) throw error;
    } finally {
      this.#parts.forget();
    }
  }
}
