import type { ByteSource } from '../../src/convert/header/byte-source.ts';
import { MemorySource } from '../../src/convert/header/byte-source.ts';

const SECTOR = 512;
const HEAD_BYTES = 4;
const PIECE_HEAD_BYTES = 6;

/**
 * A disk as an input of a few KiB, whatever its size: its sectors (u32), then pieces of sector (u32), length (u16) and bytes, all
 * little endian. What is in no piece is zeros; a later piece covers an earlier one.
 */
export function packDisk(disk: Buffer): Buffer {
  const sectors = Math.ceil(disk.length / SECTOR);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(sectors);
  const parts: Buffer[] = [head];
  for (let sector = 0; sector < sectors; sector++) {
    const bytes = disk.subarray(sector * SECTOR, (sector + 1) * SECTOR);
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    if (end === 0) continue;
    const piece = Buffer.alloc(PIECE_HEAD_BYTES);
    piece.writeUInt32LE(sector, 0);
    piece.writeUInt16LE(end, 4);
    parts.push(piece, bytes.subarray(0, end));
  }
  return Buffer.concat(parts);
}

/** The disk that any bytes stand for. */
export class SparseDisk implements ByteSource {
  readonly size: number;
  readonly #pieces: { at: number; bytes: Buffer }[] = [];

  constructor(input: Buffer) {
    this.size = input.length < HEAD_BYTES ? 0 : input.readUInt32LE(0) * SECTOR;
    for (let at = HEAD_BYTES; at + PIECE_HEAD_BYTES <= input.length;) {
      const bytes = input.subarray(at + PIECE_HEAD_BYTES, at + PIECE_HEAD_BYTES + input.readUInt16LE(at + 4));
      this.#pieces.push({ at: input.readUInt32LE(at) * SECTOR, bytes });
      at += PIECE_HEAD_BYTES + bytes.length;
    }
  }

  read(offset: number, length: number): Buffer {
    // its checks, and its errors
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size && length <= MAX_BYTES))
      return new MemorySource(Buffer.alloc(0)).read(offset, length);
    const result = Buffer.alloc(length);
    for (const { at, bytes } of this.#pieces) {
      const start = Math.max(at, offset);
      const end = Math.min(at + bytes.length, offset + length);
      if (start < end) bytes.copy(result, start - offset, start - at, end - at);
    }
    return result;
  }
}

/** Less than a real source reads at once, so that a run stays fast. */
const MAX_BYTES = 4 << 20;
