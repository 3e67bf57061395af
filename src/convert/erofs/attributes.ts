import type { Attribute } from '../reader/file-tree.ts';
import { damagedErofs, type ErofsFileSystem, type ErofsInode } from './erofs-file-system.ts';

/** Kernel's fs/erofs/erofs_fs.h, EROFS_XATTR_INDEX_*. */
const PREFIXES: Readonly<Record<number, string>> = {
  1: 'user.',
  2: 'system.posix_acl_access',
  3: 'system.posix_acl_default',
  4: 'trusted.',
  6: 'security.',
};
const HEADER_BYTES = 12;
const ENTRY_BYTES = 4;

/** The extended attributes in the order in which the kernel lists them: the inode's own, then those that it shares with others. */
export function readErofsAttributes(fs: ErofsFileSystem, { number, attributes: { at, bytes } }: ErofsInode): Attribute[] {
  if (bytes === 0) return [];
  const body = fs.read(at, bytes);
  const shared = body[4]!;
  const own = HEADER_BYTES + shared * 4;
  if (own > bytes) throw damagedErofs(`the attributes of inode ${number}`);
  const attributes: Attribute[] = [];
  for (let next = own; next + ENTRY_BYTES <= bytes;) {
    const length = entryBytes(body.subarray(next, next + ENTRY_BYTES));
    if (next + length > bytes) throw damagedErofs(`the attributes of inode ${number}`);
    attributes.push(...readEntry(body.subarray(next, next + length)));
    next += Math.ceil(length / 4) * 4;
  }
  for (let i = 0; i < shared; i++) {
    const place = fs.sharedAttributes + body.readUInt32LE(HEADER_BYTES + i * 4) * 4;
    attributes.push(...readEntry(fs.read(place, entryBytes(fs.read(place, ENTRY_BYTES)))));
  }
  return attributes;
}

function entryBytes(head: Buffer): number {
  return ENTRY_BYTES + head[0]! + head.readUInt16LE(2);
}

function readEntry(entry: Buffer): Attribute[] {
  const prefix = PREFIXES[entry[1]!];
  const end = ENTRY_BYTES + entry[0]!;
  return prefix === undefined
    ? []
    : [{ name: `${prefix}${entry.toString('latin1', ENTRY_BYTES, end)}`, value: Buffer.from(entry.subarray(end)) }];
}
