import { LayerswarmError } from '../../../errors.ts';

/** [first piece, number of pieces] */
export type Run = [number, number];

/** One bit a piece, the first piece in the high bit of the first byte (as in BEP 3); on the wire exactly `ceil(length / 8)` bytes. */
export class Bitfield {
  readonly length: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  constructor(length: number) {
    this.length = length;
    this.#bytes = new Uint8Array(Math.ceil(length / 8));
  }

  static full(length: number): Bitfield {
    const bits = new Bitfield(length);
    bits.setRun(0, length);
    return bits;
  }

  /** @throws LayerswarmError `peer-misbehaved` when the bytes do not fit `length` pieces, spare bits included */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield {
    const bits = new Bitfield(length);
    const spare = bits.#bytes.length * 8 - length;
    if (bytes.length !== bits.#bytes.length || (spare > 0 && (bytes.at(-1)! & ((1 << spare) - 1)) !== 0)) {
      throw new LayerswarmError(
        'peer-misbehaved',
        `expected a bitfield of ${length} pieces, received ${bytes.length} bytes that do not fit`,
      );
    }
    bits.#bytes.set(bytes);
    for (const byte of bytes) bits.#count += popCount(byte);
    return bits;
  }

  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  has(piece: number): boolean {
    return (this.#bytes[piece >> 3]! & (0x80 >> (piece & 7))) !== 0;
  }

  /** True when the bit was not set before. */
  set(piece: number): boolean {
    if (piece < 0 || piece >= this.length || this.has(piece)) return false;
    this.#bytes[piece >> 3]! |= 0x80 >> (piece & 7);
    this.#count++;
    return true;
  }

  clear(piece: number): boolean {
    if (piece < 0 || piece >= this.length || !this.has(piece)) return false;
    this.#bytes[piece >> 3]! &= ~(0x80 >> (piece & 7));
    this.#count--;
    return true;
  }

  setRun(first: number, count: number): void {
    for (let piece = first; piece < Math.min(this.length, first + count); piece++) this.set(piece);
  }

  /** The set bits as runs, lowest first. */
  runs(): Run[] {
    return runsWhere(this.length, (piece) => this.has(piece));
  }
}

/** The pieces of runs that somebody else sent, below `length` and as many in all: those of an honest one do not overlap. */
export function* piecesOf(runs: readonly Run[], length: number): Iterable<number> {
  let left = length;
  for (const [first, count] of runs) {
    const end = Math.min(first + count, length, first + left);
    for (let piece = first; piece < end; piece++) yield piece;
    left -= Math.max(1, end - first);
    if (left <= 0) return;
  }
}

/** Runs of the pieces below `length` for which `test` holds, lowest first. */
export function runsWhere(length: number, test: (piece: number) => boolean): Run[] {
  const runs: Run[] = [];
  let first = -1;
  for (let piece = 0; piece <= length; piece++) {
    const inside = piece < length && test(piece);
    if (inside && first < 0) first = piece;
    if (!inside && first >= 0) {
      runs.push([first, piece - first]);
      first = -1;
    }
  }
  return runs;
}

/** Runs that hold just these pieces. */
export function runsOf(pieces: Iterable<number>): Run[] {
  const runs: Run[] = [];
  for (const piece of [...pieces].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && piece < last[0] + last[1]) continue;
    if (last !== undefined && piece === last[0] + last[1]) last[1]++;
    else runs.push([piece, 1]);
  }
  return runs;
}

function popCount(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
