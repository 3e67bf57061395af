import type { PartialBlob } from '../../store/blob-store.ts';
import type { RangeTarget } from '../lane/lane.ts';
import type { PieceLayout } from './core/piece-layout.ts';

/**
 * Writes what senders send into the unfinished blob, a piece at a time, so that all of a piece is one sender's: two who send the
 * same piece at once never mix, since the second is kept in memory until it is whole. Where another thread has the file, that
 * thread sees to it.
 */
export class PieceWriter {
  readonly #partial: PartialBlob;
  readonly #layout: PieceLayout;
  readonly #has: (piece: number) => boolean;
  readonly #owners = new Map<number, symbol>();

  constructor(partial: PartialBlob, layout: PieceLayout, has: (piece: number) => boolean) {
    this.#partial = partial;
    this.#layout = layout;
    this.#has = has;
  }

  /**
   * A target for one sender's range, which begins at `start`. `onPiece` is called once all of a piece is written and it was not
   * here before; `release` when the sender is through, so that its unfinished piece can be another's.
   */
  target(start: number, onPiece: (piece: number) => void | Promise<void>): RangeTarget & { release(): void } {
    return this.#partial.sender?.(start, onPiece) ?? this.#target(start, onPiece);
  }

  #target(start: number, onPiece: (piece: number) => void | Promise<void>): RangeTarget & { release(): void } {
    const token = Symbol('sender');
    const sender = new SenderTarget(this.#partial, this.#layout, start, {
      has: this.#has,
      own: (piece) => {
        if (!this.#owners.has(piece)) this.#owners.set(piece, token);
        return this.#owners.get(piece) === token;
      },
      finished: async (piece) => {
        try {
          await onPiece(piece);
        } finally {
          this.#owners.delete(piece);
        }
      },
    });
    return {
      write: (offset, chunk) => sender.write(offset, chunk),
      release: () => {
        for (const [piece, owner] of this.#owners) if (owner === token) this.#owners.delete(piece);
      },
    };
  }
}

interface PieceRights {
  has(piece: number): boolean;
  /** True when this sender may write the piece to disk as it comes. */
  own(piece: number): boolean;
  finished(piece: number): Promise<void>;
}

class SenderTarget {
  readonly #partial: PartialBlob;
  readonly #layout: PieceLayout;
  readonly #rights: PieceRights;
  /** Next byte expected: a lane delivers in order, anything else is refused. */
  #position: number;
  #aside: Buffer[] = [];
  #wroteFromStart = false;

  constructor(partial: PartialBlob, layout: PieceLayout, start: number, rights: PieceRights) {
    this.#partial = partial;
    this.#layout = layout;
    this.#position = start;
    this.#rights = rights;
  }

  async write(offset: number, chunk: Uint8Array): Promise<void> {
    if (offset !== this.#position) throw new RangeError(`bytes at ${offset} where ${this.#position} was expected`);
    let rest = chunk;
    while (rest.length > 0) {
      const piece = this.#layout.pieceAt(this.#position);
      const { start, end } = this.#layout.range(piece);
      const part = rest.subarray(0, end - this.#position);
      rest = rest.subarray(part.length);
      await this.#writePart(piece, start, end, part);
    }
  }

  async #writePart(piece: number, start: number, end: number, part: Uint8Array): Promise<void> {
    const at = this.#position;
    this.#position += part.length;
    if (at === start) {
      this.#aside = [];
      this.#wroteFromStart = !this.#rights.has(piece) && this.#rights.own(piece);
    }
    if (this.#rights.has(piece)) return;
    if (this.#wroteFromStart && this.#rights.own(piece)) await this.#partial.write(at, part);
    else this.#aside.push(Buffer.from(part));
    if (this.#position < end || this.#rights.has(piece)) return;
    if (this.#aside.length > 0) {
      const whole = Buffer.concat(this.#aside);
      this.#aside = [];
      if (whole.length < end - start) return;
      await this.#partial.write(start, whole);
    }
    await this.#rights.finished(piece);
  }
}
