import { LayerswarmError } from '../../errors.ts';
import type { ByteSource } from '../header/byte-source.ts';

/** Data of a sparse file in a tar archive. */
export interface SparsePiece {
  /** Bytes from the file's start. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

interface SparseMember {
  /** Where its data begins, from the archive's start. */
  readonly offset: number;
  /** Bytes of the file. */
  readonly realSize: number;
  readonly pieces: readonly SparsePiece[];
}

const BLOCK = 512;
const MAX_PIECES = 1_000_000;

/** The old GNU format (`tar -S`, and what Google's images are made with): four pieces in the header, 21 in each block after it. */
export function parseSparseHeader(source: ByteSource, header: Buffer, at: number): SparseMember {
  const pieces: SparsePiece[] = [];
  const take = (block: Buffer, from: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      const entry = from + i * 24;
      if (block[entry + 12] === 0) return;
      pieces.push({ offset: readNumber(block, entry, 12), size: readNumber(block, entry + 12, 12) });
    }
  };
  take(header, 386, 4);
  let offset = at;
  for (let isExtended = header[482] !== 0; isExtended;) {
    const block = source.read(offset, BLOCK);
    take(block, 0, 21);
    if (pieces.length > MAX_PIECES) throw malformed('a sparse file in it is in too many pieces');
    isExtended = block[504] !== 0;
    offset += BLOCK;
  }
  return checked({ offset, realSize: readNumber(header, 483, 12), pieces });
}

/** GNU's sparse format 1.0 of pax archives: the map is decimal lines before the data. */
export function parseSparseMap(source: ByteSource, pax: Readonly<Record<string, string>>, at: number, size: number): SparseMember {
  if (pax['GNU.sparse.major'] !== '1') throw malformed('a sparse file in it is of an older format; unpack it first (tar -xf FILE)');
  let offset = at;
  let text = '';
  const nextNumber = (): number => {
    for (;;) {
      const end = text.indexOf('\n');
      if (end >= 0) {
        const digits = text.slice(0, end);
        text = text.slice(end + 1);
        if (!/^\d{1,20}$/.test(digits)) break;
        return Number(digits);
      }
      if (text.length > 20 || offset + BLOCK > at + size) break;
      text += source.read(offset, BLOCK).toString('latin1');
      offset += BLOCK;
    }
    throw malformed('the map of a sparse file is damaged');
  };
  const count = nextNumber();
  if (count > MAX_PIECES) throw malformed('a sparse file in it is in too many pieces');
  const pieces = Array.from({ length: count }, (): SparsePiece => ({ offset: nextNumber(), size: nextNumber() }));
  return checked({ offset, realSize: Number(pax['GNU.sparse.realsize'] ?? Number.NaN), pieces });
}

function checked(member: SparseMember): SparseMember {
  let end = 0;
  for (const { offset, size } of member.pieces) {
    if (!Number.isSafeInteger(offset + size) || offset < end) throw malformed('the map of a sparse file is damaged');
    end = offset + size;
  }
  if (!Number.isSafeInteger(member.realSize) || end > member.realSize) throw malformed('the map of a sparse file is damaged');
  return member;
}

/** pax: records `LENGTH KEY=VALUE\n`. */
export function parsePax(data: Buffer): Readonly<Record<string, string>> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let at = 0; at < data.length;) {
    const space = data.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(data.toString('latin1', at, space));
    if (!Number.isSafeInteger(length) || length <= space - at + 2 || at + length > data.length)
      throw malformed('a header of it is damaged');
    const record = data.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (equals > 0) values[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return values;
}

/** Octal digits, or GNU's base 256 with the highest bit set. */
export function readNumber(bytes: Buffer, at: number, length: number): number {
  if ((bytes[at]! & 0x80) !== 0) {
    let value = bytes[at]! & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + bytes[at + i]!;
    return value;
  }
  const digits = bytes
    .toString('latin1', at, at + length)
    .replaceAll('\0', ' ')
    .trim();
  return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

export function malformed(why: string): LayerswarmError {
  return new LayerswarmError('unsupported', `not a sound tar archive: ${why}`);
}
