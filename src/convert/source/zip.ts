import { once } from 'node:events';
import { crc32, createInflateRaw } from 'node:zlib';
import { Readable } from 'node:stream';
import { LayerswarmError } from '../../errors.ts';
import type { ByteSource } from '../header/byte-source.ts';
import { u64le } from '../header/disk-header.ts';
import type { Member } from './choose-disk.ts';
import { readRange, type FileRange, type Unpacking } from './decompress.ts';
import { SparseFile } from './sparse-file.ts';

/** PKWARE's APPNOTE.TXT 6.3. */
const END = { signature: 0x0605_4b50, bytes: 22, maxComment: 65_535 } as const;
const END64 = { signature: 0x0606_4b50, locator: 0x0706_4b50, locatorBytes: 20, bytes: 56 } as const;
const ENTRY = { signature: 0x0201_4b50, bytes: 46 } as const;
const LOCAL = { signature: 0x0403_4b50, bytes: 30 } as const;
const ZIP64_EXTRA = 1;
const METHOD = { stored: 0, deflated: 8 } as const;
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024;
const UNIX_LINK = 0o120_000;

export interface ZipMember extends Member {
  readonly method: number;
  readonly encrypted: boolean;
  readonly crc: number;
  readonly packedSize: number;
  /** Of its local header. */
  readonly headerOffset: number;
}

/** The files in a zip archive, from its central directory. */
export function listZip(source: ByteSource): ZipMember[] {
  const { offset, size, count } = findDirectory(source);
  if (size > MAX_DIRECTORY_BYTES) throw malformed('its directory is larger than any sound one');
  const directory = source.read(offset, size);
  const members: ZipMember[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + ENTRY.bytes > directory.length || directory.readUInt32LE(at) !== ENTRY.signature) throw malformed('its directory is damaged');
    const nameBytes = directory.readUInt16LE(at + 28);
    const extraBytes = directory.readUInt16LE(at + 30);
    const next = at + ENTRY.bytes + nameBytes + extraBytes + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw malformed('its directory is damaged');
    const name = directory.toString('utf8', at + ENTRY.bytes, at + ENTRY.bytes + nameBytes);
    const [size, packedSize, headerOffset] = wideFields(directory, at, at + ENTRY.bytes + nameBytes, extraBytes);
    const isLink = ((directory.readUInt32LE(at + 38) >>> 16) & 0o170_000) === UNIX_LINK;
    if (!name.endsWith('/') && !isLink) {
      members.push({
        name,
        size,
        packedSize,
        headerOffset,
        method: directory.readUInt16LE(at + 10),
        encrypted: (directory.readUInt16LE(at + 8) & 1) !== 0,
        crc: directory.readUInt32LE(at + 16),
      });
    }
    at = next;
  }
  return members;
}

/**
 * Unpacks one member, and checks its length and checksum.
 * @param source the archive's bytes
 */
export async function unpackZipMember(
  archive: FileRange,
  source: ByteSource,
  member: ZipMember,
  target: string,
  { limit, signal, onUnpack }: Unpacking,
): Promise<void> {
  if (member.encrypted)
    throw new LayerswarmError('unsupported', `${JSON.stringify(member.name)} in the zip archive is encrypted; unpack it first`);
  if (member.method !== METHOD.stored && member.method !== METHOD.deflated)
    throw new LayerswarmError(
      'unsupported',
      `${JSON.stringify(member.name)} in the zip archive is packed by method ${member.method}, and only deflate is known here; unpack it first (unzip or 7z x)`,
    );
  const range = memberRange(archive, source, member);
  using file = new SparseFile(target, Math.min(limit, member.size));
  let checksum = 0;
  try {
    for await (const chunk of member.method === METHOD.stored ? readRange(range, onUnpack) : inflate(range, onUnpack)) {
      signal?.throwIfAborted();
      checksum = crc32(chunk, checksum);
      file.write(chunk);
    }
  } catch (error) {
    if (error instanceof LayerswarmError && error.code !== 'too-large') throw error;
    if (signal?.aborted === true) throw error;
    // More bytes than the archive says itself are damage, or meant to fill the disk.
    if (file.size >= limit) throw error;
    throw damaged(member, error);
  }
  if (file.size !== member.size || checksum !== member.crc) throw damaged(member);
}

async function* inflate(range: FileRange, onUnpack: Unpacking['onUnpack']): AsyncGenerator<Buffer, void, undefined> {
  const input = Readable.from(readRange(range, onUnpack));
  const inflated = createInflateRaw();
  input.on('error', (error) => {
    inflated.destroy(error);
  });
  input.pipe(inflated);
  try {
    yield* inflated as AsyncIterable<Buffer>;
  } finally {
    input.destroy();
    if (!input.closed) await once(input, 'close');
  }
}

function memberRange(archive: FileRange, source: ByteSource, { headerOffset, packedSize }: ZipMember): FileRange {
  const header = source.read(headerOffset, LOCAL.bytes);
  if (header.readUInt32LE(0) !== LOCAL.signature) throw malformed('a member is not where its directory says');
  const offset = headerOffset + LOCAL.bytes + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (offset + packedSize > source.size) throw new LayerswarmError('size-mismatch', 'the zip archive is cut short; copy it again');
  return { path: archive.path, offset: archive.offset + offset, size: packedSize };
}

function findDirectory(source: ByteSource): { offset: number; size: number; count: number } {
  const tailBytes = Math.min(source.size, END.bytes + END.maxComment);
  const tail = source.read(source.size - tailBytes, tailBytes);
  for (let at = tail.length - END.bytes; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END.signature || at + END.bytes + tail.readUInt16LE(at + 20) !== tail.length) continue;
    const plain = { count: tail.readUInt16LE(at + 10), size: tail.readUInt32LE(at + 12), offset: tail.readUInt32LE(at + 16) };
    const locator = at - END64.locatorBytes;
    if (locator < 0 || tail.readUInt32LE(locator) !== END64.locator) return plain;
    const end = source.read(u64le(tail, locator + 8), END64.bytes);
    if (end.readUInt32LE(0) !== END64.signature) throw malformed('its directory is damaged');
    return { count: u64le(end, 32), size: u64le(end, 40), offset: u64le(end, 48) };
  }
  throw new LayerswarmError(
    'size-mismatch',
    'the zip archive has no directory at its end: it is cut short, or one part of several; copy it again, whole',
  );
}

/** Sizes and place of an entry; a field of all ones is in the zip64 extra instead, in this order. */
function wideFields(bytes: Buffer, entry: number, extra: number, extraBytes: number): [size: number, packed: number, offset: number] {
  const plain = [bytes.readUInt32LE(entry + 24), bytes.readUInt32LE(entry + 20), bytes.readUInt32LE(entry + 42)] as const;
  let wide = extra;
  let end = extra;
  for (let at = extra; at + 4 <= extra + extraBytes; at += 4 + bytes.readUInt16LE(at + 2)) {
    if (bytes.readUInt16LE(at) !== ZIP64_EXTRA) continue;
    wide = at + 4;
    end = Math.min(wide + bytes.readUInt16LE(at + 2), extra + extraBytes);
  }
  return plain.map((value) => {
    if (value !== 0xffff_ffff) return value;
    if (wide + 8 > end) throw malformed('a size is missing');
    wide += 8;
    return u64le(bytes, wide - 8);
  }) as [number, number, number];
}

function malformed(why: string): LayerswarmError {
  return new LayerswarmError('unsupported', `not a sound zip archive: ${why}`);
}

function damaged({ name }: ZipMember, cause?: unknown): LayerswarmError {
  return new LayerswarmError('size-mismatch', `${JSON.stringify(name)} in the zip archive is damaged; copy the archive again`, { cause });
}
