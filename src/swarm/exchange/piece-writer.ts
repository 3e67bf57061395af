import { createHash, type Hash } from 'node:crypto';
import type { PartialBlob } from '../../store/blob-store.ts';
import type { RangeTarget } from '../lane/lane.ts';
import type { PieceLayout } from './core/piece-layout.ts';

/** Bytes are written in blocks of this many, as far as their piece goes: in parts as they come it costs twice the CPU. */
const BLOCK_BYTES = 64 * 1024;
const MAX_POOLED = 64;

const pool: Buffer[] = [];

export interface PieceTarget extends RangeTarget {
  /** The sender is through: its unfinished piece can be another's. */
  release(): void;
}

export interface PieceWriterOptions {
  readonly has: (piece: number) => boolean;
  /** The store did not take bytes: from no other sender would it. */
  readonly failed: (error: unknown) => void;
}

export interface TargetOptions {
  /** All of a piece is written, and it was not here before. `sha256`: of its bytes, where `hashed` says so. */
  readonly onPiece: (piece: number, sha256: Buffer | undefined) => void;
  /** The bytes of each piece are hashed as they pass. */
  readonly hashed: boolean;
}

/**
 * Writes what senders send into the unfinished blob, a piece at a time, so that all of a piece is one sender's. Several may bring one
 * piece at once (an endgame), and none may spoil what another has brought: a piece is written by the first that begins it; the others are
 * kept in memory until they have all of it. Once whole it takes no more bytes.
 */
export class PieceWriter {
  readonly partial: PartialBlob;
  readonly layout: PieceLayout;
  readonly #options: PieceWriterOptions;
  readonly #owners = new Map<number, PieceSender>();

  constructor(partial: PartialBlob, layout: PieceLayout, options: PieceWriterOptions) {
    this.partial = partial;
    this.layout = layout;
    this.#options = options;
  }

  /** A target for one sender's range, which begins at `start`. */
  target(start: number, options: TargetOptions): PieceTarget {
    return new PieceSender(this, start, options);
  }

  has(piece: number): boolean {
    return this.#options.has(piece);
  }

  failed(error: unknown): void {
    this.#options.failed(error);
  }

  /** True when this sender may write the piece as it comes. */
  own(piece: number, sender: PieceSender): boolean {
    if (!this.#owners.has(piece)) this.#owners.set(piece, sender);
    return this.#owners.get(piece) === sender;
  }

  disown(piece: number): void {
    this.#owners.delete(piece);
  }

  release(sender: PieceSender): void {
    for (const [piece, owner] of this.#owners) if (owner === sender) this.#owners.delete(piece);
  }
}

/** What one sender sends, in order from `start` on. */
class PieceSender implements PieceTarget {
  readonly #writer: PieceWriter;
  readonly #options: TargetOptions;
  /** Next byte expected: a lane delivers in order, anything else is refused. */
  #position: number;
  /** The current block, as far as it came: up to `#position`. */
  #block: Buffer | undefined;
  #gathered = 0;
  /** The current piece, as far as it is kept in memory. */
  #aside: Uint8Array[] = [];
  #direct = false;
  /** Of the current piece, as far as it is written or kept. */
  #hash: Hash | undefined;

  constructor(writer: PieceWriter, start: number, options: TargetOptions) {
    this.#writer = writer;
    this.#position = start;
    this.#options = options;
  }

  /** Done when it returns nothing. @throws `disk-full`, `store-unwritable`, `internal` when the blob is closed */
  write(offset: number, chunk: Uint8Array): Promise<void> | undefined {
    if (offset !== this.#position) throw new RangeError(`bytes at ${offset} where ${this.#position} was expected`);
    try {
      return this.#writeAll(chunk)?.catch((error: unknown) => this.#failed(error));
    } catch (error) {
      return this.#failed(error);
    }
  }

  release(): void {
    if (this.#block !== undefined) giveBlock(this.#takeBlock());
    this.#aside = [];
    this.#direct = false;
    this.#writer.release(this);
  }

  #failed(error: unknown): never {
    this.#writer.failed(error);
    throw error;
  }

  #writeAll(chunk: Uint8Array): Promise<void> | undefined {
    const { layout } = this.#writer;
    for (let rest = chunk; rest.length > 0;) {
      const piece = layout.pieceAt(this.#position);
      const { start, end } = layout.range(piece);
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
    const writer = this.#writer;
    const at = this.#position - block.length;
    if (at === start) {
      this.#aside = [];
      this.#direct = !writer.has(piece) && writer.own(piece, this);
      this.#hash = this.#options.hashed ? createHash('sha256') : undefined;
    }
    if (writer.has(piece)) return undefined;
    this.#hash?.update(block);
    if (this.#direct)
      return this.#then(writer.partial.writeNow(at, block), () => {
        if (this.#position === end) this.#finish(piece);
      });
    this.#aside.push(Uint8Array.from(block));
    if (this.#position < end) return undefined;
    const whole = Buffer.concat(this.#aside);
    this.#aside = [];
    // It began in the middle: of no use without its beginning.
    if (whole.length < end - start) return undefined;
    return this.#then(writer.partial.writeNow(start, whole), () => {
      this.#finish(piece);
    });
  }

  /** What was gathered; whoever takes it gives its memory back. */
  #takeBlock(): Buffer {
    const block = this.#block!.subarray(0, this.#gathered);
    this.#block = undefined;
    this.#gathered = 0;
    return block;
  }

  #finish(piece: number): void {
    const hash = this.#hash;
    this.#hash = undefined;
    if (!this.#writer.has(piece)) this.#options.onPiece(piece, hash?.digest());
    this.#writer.disown(piece);
  }

  #then(writing: Promise<void> | undefined, next: () => void): Promise<void> | undefined {
    if (writing !== undefined) return after(writing, next);
    next();
    return undefined;
  }
}

async function after(writing: Promise<void>, next: () => void): Promise<void> {
  await writing;
  next();
}

/** Nobody may look at it any more. */
function giveBlock(block: Buffer): void {
  if (pool.length < MAX_POOLED) pool.push(Buffer.from(block.buffer));
}
