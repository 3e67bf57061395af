import { LayerswarmError } from '../../errors.ts';

/** A header block of a tar archive. POSIX.1-2017, pax, "ustar Interchange Format". */
export const TAR_BLOCK = 512;
export const TAR_TYPE = { link: 0x31, characterDevice: 0x33, pax: 0x78 } as const;
/** What bodies belong to: `0`, and NUL as the oldest archives have it. The types of entries that have none follow. */
const FILE_TYPES = new Set([0x30, 0]);
const OTHER_TYPES = new Set([0x31, 0x32, 0x33, 0x34, 0x35, 0x36]);

/** Values of an extended header that belong to the entry which follows it, as latin1. */
export type PaxRecords = ReadonlyMap<string, string>;

export function isFile(header: Buffer): boolean {
  return FILE_TYPES.has(header[156]!);
}

/** @throws LayerswarmError on a type that tar was not asked for, whose body could mean anything */
export function checkType(header: Buffer): void {
  const type = header[156]!;
  if (!isFile(header) && !OTHER_TYPES.has(type)) throw wrote(`an entry of type ${JSON.stringify(String.fromCharCode(type))}`);
}

/** Bytes of the entry's body: an extended header overrides the field, which for 8 GiB and more has no room and may say 0. */
export function bodySize(header: Buffer, pax?: PaxRecords): number {
  const extended = pax?.get('size');
  if (extended === undefined) return readNumber(header, 124, 12);
  if (!/^\d{1,16}$/.test(extended) || !Number.isSafeInteger(Number(extended))) throw wrote('an extended header with a size that is none');
  return Number(extended);
}

/** The entry's name, or its link's target, as latin1. */
export function entryName(header: Buffer, key: 'path' | 'linkpath', pax: PaxRecords): string {
  const extended = pax.get(key);
  if (extended !== undefined) return extended;
  if (key === 'linkpath') return text(header, 157, 100);
  const prefix = text(header, 345, 155);
  return prefix === '' ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`;
}

/** Major and minor 0. */
export function isZeroDevice(header: Buffer): boolean {
  return readNumber(header, 329, 8) === 0 && readNumber(header, 337, 8) === 0;
}

/** `LENGTH KEY=VALUE\n`, one after the other. A value may hold anything, also what looks like a record: the lengths alone decide. */
export function paxRecords(bytes: Buffer): PaxRecords {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = bytes.toString('latin1', at, space);
    const end = at + Number(length);
    const equals = bytes.indexOf(0x3d, space);
    if (space === -1 || !/^\d{1,10}$/.test(length) || end > bytes.length || equals === -1 || equals >= end || bytes[end - 1] !== 0x0a)
      throw wrote('an extended header that is none');
    records.set(bytes.toString('latin1', space + 1, equals), bytes.toString('latin1', equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** Octal digits, or a binary number behind a first bit that is set. */
function readNumber(header: Buffer, at: number, length: number): number {
  if ((header[at]! & 0x80) !== 0) {
    const value = BigInt(`0x${header.toString('hex', at, at + length)}`) - (1n << BigInt(length * 8 - 1));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw wrote('a number that no file has');
    return Number(value);
  }
  const digits = /^ *([0-7]*)[ \0]*$/.exec(header.toString('latin1', at, at + length));
  if (digits === null) throw wrote('a header that is none');
  return Number.parseInt(digits[1] || '0', 8);
}

function text(header: Buffer, at: number, length: number): string {
  return header.toString('latin1', at, at + length).split('\0', 1)[0]!;
}

function wrote(what: string): LayerswarmError {
  return new LayerswarmError('internal', `tar wrote ${what}`);
}
