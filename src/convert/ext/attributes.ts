import type { Attribute } from '../reader/file-tree.ts';
import { blockContent } from './blocks.ts';
import { damaged, type ExtFileSystem } from './ext-file-system.ts';
import type { Inode } from './inode.ts';

/** linux/fs/ext4/xattr.h */
const MAGIC = 0xea02_0000;
const PREFIXES: Readonly<Record<number, string>> = {
  1: 'user.',
  2: 'system.posix_acl_access',
  3: 'system.posix_acl_default',
  4: 'trusted.',
  6: 'security.',
  7: 'system.',
};
const MAX_VALUE_BYTES = 1024 * 1024;
const ACL = { user: 0x02, group: 0x08, noId: 0xffff_ffff } as const;

/** The extended attributes in the order in which the kernel lists them: those in the inode, then those in its block. */
export function readAttributes(fs: ExtFileSystem, { number, rest, attributeBlock }: Inode): Attribute[] {
  const attributes: Attribute[] = [];
  if (rest.length >= 8 && rest.readUInt32LE(0) === MAGIC) readEntries(fs, number, rest.subarray(4), 0, attributes);
  if (attributeBlock !== 0) {
    const block = fs.block(attributeBlock);
    if (block.readUInt32LE(0) !== MAGIC) throw damaged(`the attributes of inode ${number}`);
    readEntries(fs, number, block, 32, attributes);
  }
  return attributes;
}

/** @param bytes values are placed from its start */
function readEntries(fs: ExtFileSystem, number: number, bytes: Buffer, first: number, into: Attribute[]): void {
  for (let at = first; at + 4 <= bytes.length && bytes.readUInt32LE(at) !== 0;) {
    const nameLength = bytes[at]!;
    if (at + 16 + nameLength > bytes.length) throw damaged(`the attributes of inode ${number}`);
    const prefix = PREFIXES[bytes[at + 1]!];
    const offset = bytes.readUInt16LE(at + 2);
    const valueInode = bytes.readUInt32LE(at + 4);
    const size = bytes.readUInt32LE(at + 8);
    if (size > MAX_VALUE_BYTES || (valueInode === 0 && offset + size > bytes.length)) throw damaged(`the attributes of inode ${number}`);
    const value = valueInode === 0 ? bytes.subarray(offset, offset + size) : valueOf(fs, fs.inode(valueInode), size);
    if (prefix !== undefined) {
      const name = `${prefix}${bytes.toString('latin1', at + 16, at + 16 + nameLength)}`;
      into.push({ name, value: name.startsWith('system.posix_acl_') ? exportedAcl(value, number) : value });
    }
    at += Math.ceil((16 + nameLength) / 4) * 4;
  }
}

/** A large value has an inode of its own. */
function valueOf(fs: ExtFileSystem, inode: Inode, size: number): Buffer {
  if (inode.size !== size || inode.layout === 'inline') throw damaged(`the attribute in inode ${inode.number}`);
  return Buffer.concat([...blockContent(fs, inode)]);
}

/** ext stores access control lists more tightly than they are shown: linux/fs/ext4/acl.h, include/uapi/linux/posix_acl_xattr.h */
function exportedAcl(stored: Buffer, number: number): Buffer {
  if (stored.length < 4 || stored.readUInt32LE(0) !== 1) throw damaged(`the access control list of inode ${number}`);
  const version = Buffer.alloc(4);
  version.writeUInt32LE(2);
  const entries = [version];
  for (let at = 4; at < stored.length;) {
    if (at + 4 > stored.length) throw damaged(`the access control list of inode ${number}`);
    const tag = stored.readUInt16LE(at);
    const hasId = tag === ACL.user || tag === ACL.group;
    if (hasId && at + 8 > stored.length) throw damaged(`the access control list of inode ${number}`);
    const entry = Buffer.alloc(8);
    stored.copy(entry, 0, at, at + 4);
    entry.writeUInt32LE(hasId ? stored.readUInt32LE(at + 4) : ACL.noId, 4);
    entries.push(entry);
    at += hasId ? 8 : 4;
  }
  return Buffer.concat(entries);
}
