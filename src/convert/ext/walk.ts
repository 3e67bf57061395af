import { content } from './content.ts';
import { damaged, type ExtFileSystem } from './ext-file-system.ts';
import type { Inode } from './inode.ts';
import type { Found } from '../reader/file-tree.ts';
import { walkTree, type FolderEntry } from '../reader/walk-tree.ts';

const ROOT_INODE = 2;
const MAX_FOLDER_BYTES = 1024 ** 3;
const INLINE_PARENT_BYTES = 4;
const INLINE_FIRST_BYTES = 60;

/** Everything in the file system; see `walkTree`. */
export function walk(fs: ExtFileSystem, isLeftOut: (path: string) => boolean, below = ''): Generator<Found<Inode>> {
  return walkTree(
    { root: ROOT_INODE, inode: (number) => fs.inode(number), entries: (folder) => readFolder(fs, folder), damaged },
    below,
    isLeftOut,
  );
}

function readFolder(fs: ExtFileSystem, inode: Inode): FolderEntry[] {
  if (inode.size > MAX_FOLDER_BYTES) throw damaged(`the folder of inode ${inode.number} has ${inode.size} bytes`);
  const entries: FolderEntry[] = [];
  // One after the other: the first block that is none, as in a hole, ends it, however long the folder says that it is.
  for (const bytes of content(fs, inode)) {
    if (inode.layout === 'inline') {
      readEntries(bytes.subarray(INLINE_PARENT_BYTES, INLINE_FIRST_BYTES), inode.number, entries);
      readEntries(bytes.subarray(INLINE_FIRST_BYTES), inode.number, entries);
    } else {
      for (let at = 0; at < bytes.length; at += fs.blockBytes) readEntries(bytes.subarray(at, at + fs.blockBytes), inode.number, entries);
    }
  }
  return entries;
}

/** One block's entries, which fill it. An index of hashes looks like entries that are not in use. */
function readEntries(block: Buffer, folder: number, into: FolderEntry[]): void {
  for (let at = 0; at + 8 <= block.length;) {
    const inode = block.readUInt32LE(at);
    const stored = block.readUInt16LE(at + 4);
    // A block of 64 KiB is one more than the field can say.
    const length = block.length >= 65536 && (stored === 65535 || stored === 0) ? 65536 : stored;
    const nameLength = block[at + 6]!;
    if (length < 8 || length % 4 !== 0 || at + length > block.length || nameLength + 8 > length)
      throw damaged(`the folder of inode ${folder}`);
    const name = block.toString('latin1', at + 8, at + 8 + nameLength);
    if (inode !== 0) into.push({ name, inode });
    at += length;
  }
}
