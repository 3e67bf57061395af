import type { InodeType, TreeInode } from '../reader/file-tree.ts';
/** linux/fs/ext4/ext4.h, struct ext4_inode, and the flags of it that decide how its content lies. */
const FLAG = { extents: 0x8_0000, hugeFile: 0x4_0000, inlineData: 0x1000_0000 } as const;
const TYPES: Readonly<Record<number, InodeType>> = { 0o01: 'p', 0o02: 'c', 0o04: 'd', 0o06: 'b', 0o10: 'f', 0o12: 'l', 0o14: 's' };
/** Bytes that every version has; what follows says itself how long it is. */
const BASE_BYTES = 128;

export interface Inode extends TreeInode {
  /** Units of 512 bytes. */
  readonly sectors: number;
  readonly layout: 'extents' | 'map' | 'inline';
  /** The 60 bytes of block pointers, of which the layout says what they are. */
  readonly pointers: Buffer;
  /** Block of attributes; 0 for none. */
  readonly attributeBlock: number;
  /** What lies behind the fields: attributes, when it begins with their magic number. */
  readonly rest: Buffer;
}

export interface InodeFormat {
  readonly blockBytes: number;
  readonly hugeFiles: boolean;
  readonly largeFolders: boolean;
}

export function parseInode(number: number, bytes: Buffer, { blockBytes, hugeFiles, largeFolders }: InodeFormat): Inode {
  const mode = bytes.readUInt16LE(0);
  const type = TYPES[mode >> 12];
  const flags = bytes.readUInt32LE(32);
  const extra = bytes.length > BASE_BYTES ? bytes.readUInt16LE(BASE_BYTES) : 0;
  const hasExtra = BASE_BYTES + extra <= bytes.length;
  // The two lowest bits extend the seconds, the others are nanoseconds.
  const epoch = hasExtra && extra >= 12 ? bytes.readUInt32LE(136) & 3 : 0;
  const sectors = bytes.readUInt32LE(28) + (hugeFiles ? bytes.readUInt16LE(116) * 2 ** 32 : 0);
  return {
    number,
    type,
    mode: mode & 0o7777,
    uid: bytes.readUInt16LE(2) + bytes.readUInt16LE(120) * 65536,
    gid: bytes.readUInt16LE(24) + bytes.readUInt16LE(122) * 65536,
    size: bytes.readUInt32LE(4) + (type === 'f' || (type === 'd' && largeFolders) ? bytes.readUInt32LE(108) * 2 ** 32 : 0),
    mtime: bytes.readInt32LE(16) + epoch * 2 ** 32,
    links: bytes.readUInt16LE(26),
    sectors: hugeFiles && (flags & FLAG.hugeFile) !== 0 ? sectors * (blockBytes / 512) : sectors,
    layout: (flags & FLAG.inlineData) !== 0 ? 'inline' : (flags & FLAG.extents) !== 0 ? 'extents' : 'map',
    pointers: bytes.subarray(40, 100),
    attributeBlock: bytes.readUInt32LE(104) + bytes.readUInt16LE(118) * 2 ** 32,
    rest: hasExtra ? bytes.subarray(BASE_BYTES + extra) : Buffer.alloc(0),
  };
}

/** Major and minor number of a device. linux/fs/ext4/inode.c, __ext4_iget */
export function deviceNumbers({ pointers }: Inode): { major: number; minor: number } {
  const old = pointers.readUInt32LE(0);
  if (old !== 0) return { major: (old >> 8) & 0xff, minor: old & 0xff };
  const encoded = pointers.readUInt32LE(4);
  return { major: (encoded & 0xf_ff00) >>> 8, minor: (encoded & 0xff) | ((encoded >>> 12) & 0xf_ff00) };
}
