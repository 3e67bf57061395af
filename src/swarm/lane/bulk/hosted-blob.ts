import type { Grade } from '../../../store/blob-store.ts';
import { Grade as Grades } from '../../../store/blob-store.ts';
import type { PartialFile } from '../../../store/partial-file.ts';
import { MAX_NOTE_BYTES } from '../frame.ts';
import type { ByteRange, RangeTarget } from '../lane.ts';

/** Bytes are written in blocks of this many, as far as their piece goes: in parts as they come it costs twice the CPU. */
const BLOCK_BYTES = 64 * 1024;
const MAX_POOLED = 32;
/** Read in one go for a member that asks: a longer range is read as it is sent. */
const MAX_SHARED_BYTES = 1 << 20;

const pool: Buffer[] = [];

/**
 * An unfinished blob whose only writer is this worker. Several senders may bring one piece at once (an endgame), and none may
 * spoil what another has brought: a piece is written by the first that begins it; the others are kept in memory until they have
 * all of it. Once whole it takes no more bytes, before the main thread has even heard of it.
 */
export class HostedBlob {
  readonly partial: PartialFile;
  /** 1 for a piece that is whole on disk. */
  readonly #whole: Uint8Array;
  readonly #owners = new Map<number, HostedSender>();
  /** What goes with each piece that members may have. */
  readonly #notes = new Map<number, Uint8Array>();

  constructor(partial: PartialFile) {
    this.partial = partial;
    this.#whole = Uint8Array.from({ length: partial.pieceCount }, (_, piece) => (partial.grade(piece) === Grades.missing ? 0 : 1));
  }

  complete(piece: number, grade: Grade): void {
    this.partial.complete(piece, grade);
    this.#whole[piece] = 1;
    this.#owners.delete(piece);
  }

  /** The main thread does not take the piece that a sender wrote. */
  reject(piece: number): void {
    if (this.partial.grade(piece) === Grades.missing) this.#whole[piece] = 0;
  }

  async discard(pieces: readonly number[]): Promise<void> {
    for (const piece of pieces) {
      this.#whole[piece] = 0;
      this.#owners.delete(piece);
      this.#notes.delete(piece);
    }
    await this.partial.discard(pieces);
  }

  share(first: number, notes: readonly Uint8Array[]): void {
    for (const [i, note] of notes.entries()) if (this.isWhole(first + i)) this.#notes.set(first + i, note);
  }

  /** The range with its pieces' notes, where all of them are shared. Read at once, so that bytes and notes are of one moment. */
  shared({ start, end }: ByteRange): { bytes: Buffer; note: Uint8Array } | undefined {
    const { pieceLength, size } = this.partial;
    if (start >= end || end > size || end - start > MAX_SHARED_BYTES) return undefined;
    const notes: Uint8Array[] = [];
    for (let piece = Math.floor(start / pieceLength); piece * pieceLength < end; piece++) {
      const note = this.#notes.get(piece);
      if (note === undefined) return undefined;
      notes.push(note);
    }
    const note = notes.length === 1 ? notes[0]! : Buffer.concat(notes);
    const bytes = note.length > MAX_NOTE_BYTES ? undefined : this.partial.readNow(start, end - start);
    return bytes === undefined ? undefined : { bytes, note };
  }

  isWhole(piece: number): boolean {
    return this.#whole[piece] === 1;
  }

  markWhole(piece: number): void {
    this.#whole[piece] = 1;
    this.#owners.delete(piece);
  }

  /** True when this sender may write the piece as it comes. */
  own(piece: number, sender: HostedSender): boolean {
    if (!this.#owners.has(piece)) this.#owners.set(piece, sender);
    return this.#owners.get(piece) === sender;
  }

  release(sender: HostedSender): void {
    for (const [piece, owner] of this.#owners) if (owner === sender) this.#owners.delete(piece);
  }
}

/** What one sender sends of a hosted blob, in order from `start` on. */
export class HostedSender implements RangeTarget {
  readonly #blob: HostedBlob;
  readonly #onPiece: (piece: number) => void;
  #position: number;
  /** The current block, as far as it came: up to `#position`. */
  #block: Buffer | undefined;
  #gathered = 0;
  /** The current piece, as far as it is kept in memory. */
  #aside: Uint8Array[] = [];
  #direct = false;

  constructor(blob: HostedBlob, start: number, onPiece: (piece: number) => void) {
    this.#blob = blob;
    this.#position = start;
    this.#onPiece = onPiece;
  }

  /** Done when it returns nothing. @throws `range-invalid`, `disk-full`, `store-unwritable`, `internal` when the blob is closed */
  write(offset: number, chunk: Uint8Array): Promise<void> | undefined {
    if (offset !== this.#position) throw new RangeError(`bytes at ${offset} where ${this.#position} was expected`);
    return this.#writeAll(chunk);
  }

  /** Its unfinished piece can be another's. */
  release(): void {
    if (this.#block !== undefined) giveBlock(this.#takeBlock());
    this.#aside = [];
    this.#direct = false;
    this.#blob.release(this);
  }

  #writeAll(chunk: Uint8Array): Promise<void> | undefined {
    const { pieceLength, size } = this.#blob.partial;
    for (let rest = chunk; rest.length > 0;) {
      const piece = Math.floor(this.#position / pieceLength);
      const start = piece * pieceLength;
      const end = Math.min(size, start + pieceLength);
      const blockStart = this.#position - ((this.#position - start) % BLOCK_BYTES);
      const blockEnd = Math.min(end, blockStart + BLOCK_BYTES);
      const part = rest.subarray(0, blockEnd - this.#position);
      rest = rest.subarray(part.length);
      this.#position += part.length;
      if (this.#gathered === 0 && this.#position === blockEnd) {
        const writing = this.#writeBlock(piece, start, end, part);
        if (writing !== undefined) return this.#writeAllAfter(writing, rest);
        continue;
      }
      this.#block ??= pool.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#block.set(part, this.#gathered);
      this.#gathered += part.length;
      if (this.#position < blockEnd) return undefined;
      const block = this.#takeBlock();
      const writing = this.#writeBlock(piece, start, end, block);
      if (writing !== undefined) return this.#writeAllAfter(writing, rest);
      giveBlock(block);
    }
    return undefined;
  }

  async #writeAllAfter(writing: Promise<void>, rest: Uint8Array): Promise<void> {
    await writing;
    await this.#writeAll(rest);
  }

  /** The bytes before `#position`. */
  #writeBlock(piece: number, start: number, end: number, block: Uint8Array): Promise<void> | undefined {
    const at = this.#position - block.length;
    if (at === start) {
      this.#aside = [];
      this.#direct = !this.#blob.isWhole(piece) && this.#blob.own(piece, this);
    }
    if (this.#blob.isWhole(piece)) return undefined;
    if (this.#direct) return this.#then(this.#blob.partial.writeNow(at, block), () => (this.#position < end ? undefined : this.#finish(piece)));
    this.#aside.push(Uint8Array.from(block));
    if (this.#position < end) return undefined;
    const whole = Buffer.concat(this.#aside);
    this.#aside = [];
    // It began in the middle: of no use without its beginning.
    if (whole.length < end - start) return undefined;
    return this.#then(this.#blob.partial.writeNow(start, whole), () => this.#finish(piece));
  }

  /** What was gathered; whoever takes it gives its memory back. */
  #takeBlock(): Buffer {
    const block = this.#block!.subarray(0, this.#gathered);
    this.#block = undefined;
    this.#gathered = 0;
    return block;
  }

  #finish(piece: number): undefined {
    if (this.#blob.isWhole(piece)) return;
    this.#blob.markWhole(piece);
    this.#onPiece(piece);
  }

  #then(writing: Promise<void> | undefined, next: () => undefined): Promise<void> | undefined {
    return writing === undefined ? next() : this.#after(writing, next);
  }

  async #after(writing: Promise<void>, next: () => undefined): Promise<void> {
    await writing;
    next();
  }
}

/** Nobody may look at it any more. */
function giveBlock(block: Buffer): void {
  if (pool.length < MAX_POOLED) pool.push(Buffer.from(block.buffer));
}
