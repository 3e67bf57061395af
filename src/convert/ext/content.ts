import { readAttributes } from './attributes.ts';
import { blockContent } from './blocks.ts';
import { damaged, type ExtFileSystem } from './ext-file-system.ts';
import type { Inode } from './inode.ts';

/** The bytes of a file, folder or link, in order. */
export function* content(fs: ExtFileSystem, inode: Inode): Generator<Buffer> {
  if (inode.layout === 'inline') yield inlineContent(fs, inode);
  else yield* blockContent(fs, inode);
}

/** All of it at once: for links. */
export function wholeContent(fs: ExtFileSystem, inode: Inode, limit: number): Buffer {
  if (inode.size > limit) throw damaged(`inode ${inode.number} has ${inode.size} bytes`);
  return Buffer.concat([...content(fs, inode)]);
}

/** The target of a symbolic link, as latin1. */
export function linkTarget(fs: ExtFileSystem, inode: Inode): string {
  const attributeSectors = inode.attributeBlock === 0 ? 0 : fs.blockBytes / 512;
  const isFast = inode.layout !== 'inline' && inode.size < inode.pointers.length && inode.sectors - attributeSectors <= 0;
  return (isFast ? inode.pointers.subarray(0, inode.size) : wholeContent(fs, inode, fs.blockBytes)).toString('latin1');
}

function inlineContent(fs: ExtFileSystem, inode: Inode): Buffer {
  const more = readAttributes(fs, inode).find(({ name }) => name === 'system.data');
  const bytes = Buffer.concat([inode.pointers, more?.value ?? Buffer.alloc(0)]);
  if (bytes.length < inode.size) throw damaged(`inode ${inode.number} is shorter than it says`);
  return bytes.subarray(0, inode.size);
}
