import { wholeContent } from './content.ts';
import { damaged, type ExtFileSystem } from './ext-file-system.ts';
import type { Inode } from './inode.ts';

const ROOT_INODE = 2;
const MAX_FOLDER_BYTES = 1024 ** 3;
const INLINE_PARENT_BYTES = 4;
const INLINE_FIRST_BYTES = 60;

export interface Found {
  /** latin1; empty for the root, else without a leading slash. */
  readonly path: string;
  readonly inode: Inode;
}

/**
 * Everything in the file system, each folder before what is in it, by name as bytes: the order of GNU tar's `--sort=name`.
 * @param isLeftOut with paths such as `./etc/fstab`; what lies below is left out too
 */
export function* walk(fs: ExtFileSystem, isLeftOut: (path: string) => boolean): Generator<Found> {
  const root = fs.inode(ROOT_INODE);
  if (root.type !== 'd') throw damaged('its root is no folder');
  yield { path: '', inode: root };
  const seen = new Set([ROOT_INODE]);
  const stack = [{ path: '', entries: readFolder(fs, root).values() }];
  for (let folder = stack.at(-1); folder !== undefined; folder = stack.at(-1)) {
    const next = folder.entries.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const path = folder.path === '' ? next.value.name : `${folder.path}/${next.value.name}`;
    if (isLeftOut(`./${path}`)) continue;
    const inode = fs.inode(next.value.inode);
    if (inode.type === undefined) throw damaged(`inode ${inode.number} of ${JSON.stringify(path)} is none of a file`);
    yield { path, inode };
    if (inode.type !== 'd') continue;
    // A folder has one name; a second one would be a circle, or multiply what is in it.
    if (seen.has(inode.number)) throw damaged(`the folder ${JSON.stringify(path)} is in two places`);
    seen.add(inode.number);
    stack.push({ path, entries: readFolder(fs, inode).values() });
  }
}

interface FolderEntry {
  readonly name: string;
  readonly inode: number;
}

function readFolder(fs: ExtFileSystem, inode: Inode): FolderEntry[] {
  const bytes = wholeContent(fs, inode, MAX_FOLDER_BYTES);
  const entries: FolderEntry[] = [];
  if (inode.layout === 'inline') {
    readEntries(bytes.subarray(INLINE_PARENT_BYTES, INLINE_FIRST_BYTES), inode.number, entries);
    readEntries(bytes.subarray(INLINE_FIRST_BYTES), inode.number, entries);
  } else {
    for (let at = 0; at < bytes.length; at += fs.blockBytes) readEntries(bytes.subarray(at, at + fs.blockBytes), inode.number, entries);
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** One block's entries, which fill it. An index of hashes looks like entries that are not in use. */
function readEntries(block: Buffer, folder: number, into: FolderEntry[]): void {
  for (let at = 0; at + 8 <= block.length;) {
    const inode = block.readUInt32LE(at);
    const stored = block.readUInt16LE(at + 4);
    // A block of 64 KiB is one more than the field can say.
    const length = block.length >= 65536 && (stored === 65535 || stored === 0) ? 65536 : stored;
    const nameLength = block[at + 6]!;
    if (length < 8 || length % 4 !== 0 || at + length > block.length || nameLength + 8 > length) throw damaged(`the folder of inode ${folder}`);
    const name = block.toString('latin1', at + 8, at + 8 + nameLength);
    if (inode !== 0 && name !== '.' && name !== '..') {
      if (name === '' || name.includes('/') || name.includes('\0')) throw damaged(`a name in the folder of inode ${folder}`);
      into.push({ name, inode });
    }
    at += length;
  }
}
