import { BoundedMap } from '../../bounded-map.ts';
import { LayerswarmError } from '../../errors.ts';
import type { ByteSource } from '../header/byte-source.ts';
import { parseInode, type Inode } from './inode.ts';

/** Incompatible features that change how inodes, folders and attributes are read, and that are known here. linux/fs/ext4/ext4.h */
const INCOMPATIBLE = {
  fileType: 0x2,
  recover: 0x4,
  metaGroups: 0x10,
  extents: 0x40,
  wide: 0x80,
  mmp: 0x100,
  flexGroups: 0x200,
  attributeInodes: 0x400,
  checksumSeed: 0x2000,
  largeFolders: 0x4000,
  inlineData: 0x8000,
  caseFolding: 0x20000,
} as const;
const KNOWN = Object.values(INCOMPATIBLE).reduce((all, bit) => all | bit, 0);
const SPARSE_SUPER = 0x1;
const HUGE_FILE = 0x8;
const SPARSE_SUPER2 = 0x200;
const MAX_CACHED = 256;
const CACHE_BYTES = 64 * 1024;

export function damaged(what: string): LayerswarmError {
  return new LayerswarmError('unsupported', `the ext file system is damaged: ${what}; run e2fsck on a copy of the disk`, {
    detail: { damage: what },
  });
}

/** An ext2, ext3 or ext4 file system whose journal was replayed, by inode numbers: nothing of it costs more in a large folder. */
export class ExtFileSystem {
  readonly blockBytes: number;
  /** Of the whole file system. */
  readonly blocks: number;
  readonly #largeFolders: boolean;
  readonly #source: ByteSource;
  readonly #inodes: number;
  readonly #inodesPerGroup: number;
  readonly #inodeBytes: number;
  readonly #hugeFiles: boolean;
  readonly #tables: readonly number[];
  /** Pieces of inode tables and the like, the least recently used first. */
  readonly #cache = new BoundedMap<number, Buffer>(MAX_CACHED);

  private constructor(source: ByteSource, superblock: Buffer) {
    this.#source = source;
    const incompatible = superblock.readUInt32LE(0x60);
    const readOnlyCompatible = superblock.readUInt32LE(0x64);
    const wide = (incompatible & INCOMPATIBLE.wide) !== 0;
    this.blockBytes = 1024 * 2 ** superblock.readUInt32LE(0x18);
    this.blocks = superblock.readUInt32LE(4) + (wide ? superblock.readUInt32LE(0x150) * 2 ** 32 : 0);
    this.#largeFolders = (incompatible & INCOMPATIBLE.largeFolders) !== 0;
    this.#inodes = superblock.readUInt32LE(0);
    this.#inodesPerGroup = superblock.readUInt32LE(0x28);
    this.#inodeBytes = superblock.readUInt32LE(0x4c) === 0 ? 128 : superblock.readUInt16LE(0x58);
    this.#hugeFiles = (readOnlyCompatible & HUGE_FILE) !== 0;
    this.#tables = this.#readTables(superblock, wide ? superblock.readUInt16LE(0xfe) : 32);
  }

  /** Undefined for one with a feature that is not known here. @throws LayerswarmError for a damaged one */
  static open(source: ByteSource): ExtFileSystem | undefined {
    const superblock = source.read(1024, 1024);
    if (superblock.readUInt16LE(0x38) !== 0xef53 || superblock.readUInt32LE(0x18) > 6 || (superblock.readUInt32LE(0x60) & ~KNOWN) !== 0)
      return undefined;
    return new ExtFileSystem(source, superblock);
  }

  inode(number: number): Inode {
    if (number < 1 || number > this.#inodes) throw damaged(`there is no inode ${number}`);
    const table = this.#tables[Math.floor((number - 1) / this.#inodesPerGroup)]!;
    const at = table * this.blockBytes + ((number - 1) % this.#inodesPerGroup) * this.#inodeBytes;
    const bytes = this.#readSmall(at, this.#inodeBytes);
    return parseInode(number, bytes, { blockBytes: this.blockBytes, hugeFiles: this.#hugeFiles, largeFolders: this.#largeFolders });
  }

  /** Bytes of one block. */
  block(number: number): Buffer {
    this.checkBlocks(number, 1);
    return this.#readSmall(number * this.blockBytes, this.blockBytes);
  }

  /** Bytes of several blocks that follow each other, past the cache. */
  read(block: number, offset: number, length: number): Buffer {
    return this.#source.read(block * this.blockBytes + offset, length);
  }

  checkBlocks(first: number, count: number): void {
    if (first < 1 || first + count > this.blocks) throw damaged(`blocks ${first} to ${first + count} are not in it`);
  }

  /** Through the cache; at most a block, or an inode. */
  #readSmall(at: number, length: number): Buffer {
    const piece = Math.floor(at / CACHE_BYTES);
    const from = at - piece * CACHE_BYTES;
    const bytes = this.#piece(piece);
    if (from + length <= bytes.length) return bytes.subarray(from, from + length);
    return this.#source.read(at, length);
  }

  #piece(number: number): Buffer {
    const known = this.#cache.get(number);
    if (known !== undefined) {
      this.#cache.set(number, known);
      return known;
    }
    const at = number * CACHE_BYTES;
    const bytes = this.#source.read(at, Math.min(CACHE_BYTES, Math.max(0, this.#source.size - at)));
    this.#cache.set(number, bytes);
    return bytes;
  }

  /** Where each group's inodes begin. e2fsprogs, lib/ext2fs/openfs.c, ext2fs_descriptor_block_loc2 */
  #readTables(superblock: Buffer, descriptorBytes: number): number[] {
    const firstData = superblock.readUInt32LE(0x14);
    const blocksPerGroup = superblock.readUInt32LE(0x20);
    if (
      this.#inodesPerGroup === 0 ||
      blocksPerGroup === 0 ||
      this.#inodeBytes < 128 ||
      this.#inodeBytes > this.blockBytes ||
      (this.#inodeBytes & (this.#inodeBytes - 1)) !== 0 ||
      descriptorBytes < 32 ||
      descriptorBytes > this.blockBytes ||
      firstData > 1
    )
      throw damaged('its superblock');
    const groups = Math.ceil((this.blocks - firstData) / blocksPerGroup);
    if (groups > 2 ** 24 || Math.ceil(this.#inodes / this.#inodesPerGroup) > groups) throw damaged('its superblock');
    const perBlock = Math.floor(this.blockBytes / descriptorBytes);
    const firstMeta = (superblock.readUInt32LE(0x60) & INCOMPATIBLE.metaGroups) === 0 ? Infinity : superblock.readUInt32LE(0x104);
    const tables: number[] = [];
    for (let i = 0; i * perBlock < groups; i++) {
      const group = i * perBlock;
      const location =
        i < firstMeta
          ? Math.max(firstData, this.blockBytes === 1024 ? 1 : 0) + 1 + i
          : firstData + group * blocksPerGroup + (hasSuperblock(superblock, group) ? 1 : 0);
      const bytes = this.block(location);
      for (let j = 0; j < perBlock && group + j < groups; j++) {
        const at = j * descriptorBytes;
        const table = bytes.readUInt32LE(at + 8) + (descriptorBytes >= 64 ? bytes.readUInt32LE(at + 0x28) * 2 ** 32 : 0);
        tables.push(table);
      }
    }
    return tables;
  }
}

function hasSuperblock(superblock: Buffer, group: number): boolean {
  if (group === 0) return true;
  if ((superblock.readUInt32LE(0x5c) & SPARSE_SUPER2) !== 0)
    return group === superblock.readUInt32LE(0x24c) || group === superblock.readUInt32LE(0x250);
  if (group === 1 || (superblock.readUInt32LE(0x64) & SPARSE_SUPER) === 0) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
