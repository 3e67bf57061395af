import { LayerswarmError } from '../../errors.ts';
import type { InodeType } from '../reader/file-tree.ts';
import type { ByteSource } from '../header/byte-source.ts';
import { u64le } from '../header/disk-header.ts';
import type { TreeInode } from '../reader/file-tree.ts';
import type { FolderEntry } from '../reader/walk-tree.ts';

/** Kernel's fs/erofs/erofs_fs.h. Features that change how inodes and attributes are read, and so are not known here: longer prefixes of attributes, wide addresses, a separate inode area. */
const KNOWN_FEATURES = 0x3f;
const SUPERBLOCK = 1024;
const SLOT_BYTES = 32;
const DIRENT_BYTES = 12;
const ATTRIBUTES_BYTES = 12;
const MAX_FOLDER_BYTES = 1024 ** 3;
const MAX_TARGET_BYTES = 4096;
const TYPES: Readonly<Record<number, InodeType>> = { 0o01: 'p', 0o02: 'c', 0o04: 'd', 0o06: 'b', 0o10: 'f', 0o12: 'l', 0o14: 's' };

export interface ErofsInode extends TreeInode {
  /** `packed`: compressed, or in chunks. */
  readonly layout: 'plain' | 'inline' | 'packed';
  /** First block, or device number. */
  readonly pointer: number;
  /** Where its attributes begin, and how many bytes they have. */
  readonly attributes: { readonly at: number; readonly bytes: number };
}

export function damagedErofs(what: string): LayerswarmError {
  return new LayerswarmError('unsupported', `the erofs file system is damaged: ${what}`, { detail: { damage: what } });
}

/** An erofs, all of it but the contents of files that are compressed or in chunks. */
export class ErofsFileSystem {
  readonly root: number;
  /** Of the attributes that several inodes share. */
  readonly sharedAttributes: number;
  readonly #source: ByteSource;
  readonly #blockBytes: number;
  readonly #inodes: number;
  readonly #built: number;

  private constructor(source: ByteSource, superblock: Buffer) {
    this.#source = source;
    this.#blockBytes = 2 ** superblock[12]!;
    this.root = superblock.readUInt16LE(14);
    this.#built = u64le(superblock, 24);
    this.#inodes = superblock.readUInt32LE(40) * this.#blockBytes;
    this.sharedAttributes = superblock.readUInt32LE(44) * this.#blockBytes;
  }

  /** Undefined for one with a feature that is not known here, or with data on other devices. */
  static open(source: ByteSource): ErofsFileSystem | undefined {
    const superblock = source.read(SUPERBLOCK, 128);
    const isKnown = (superblock.readUInt32LE(80) & ~KNOWN_FEATURES) === 0 && superblock.readUInt16LE(86) === 0 && superblock[90] === 0;
    return isKnown ? new ErofsFileSystem(source, superblock) : undefined;
  }

  inode(number: number): ErofsInode {
    const at = this.#inodes + number * SLOT_BYTES;
    const compact = this.read(at, SLOT_BYTES);
    const format = compact.readUInt16LE(0);
    const isExtended = (format & 1) !== 0;
    const bytes = isExtended ? this.read(at, 2 * SLOT_BYTES) : compact;
    const count = bytes.readUInt16LE(2);
    const mode = bytes.readUInt16LE(4);
    const layout = (format >> 1) & 7;
    return {
      number,
      type: TYPES[mode >> 12],
      mode: mode & 0o7777,
      pointer: bytes.readUInt32LE(16),
      layout: layout === 0 ? 'plain' : layout === 2 ? 'inline' : 'packed',
      attributes: { at: at + bytes.length, bytes: count === 0 ? 0 : ATTRIBUTES_BYTES + (count - 1) * 4 },
      ...(isExtended
        ? {
            size: u64le(bytes, 8),
            uid: bytes.readUInt32LE(24),
            gid: bytes.readUInt32LE(28),
            mtime: Number(bytes.readBigInt64LE(32)),
            links: bytes.readUInt32LE(44),
          }
        : {
            size: bytes.readUInt32LE(8),
            uid: bytes.readUInt16LE(24),
            gid: bytes.readUInt16LE(26),
            mtime: this.#built,
            links: bytes.readUInt16LE(6),
          }),
    };
  }

  /** The bytes of what is neither compressed nor in chunks, in pieces. */
  *content({ number, size, layout, pointer, attributes }: ErofsInode): Generator<Buffer> {
    if (layout === 'packed') throw damagedErofs(`inode ${number} is compressed`);
    // With the tail inline, what does not fill the last block lies behind the inode.
    const outside = layout === 'plain' ? size : size === 0 ? 0 : (Math.ceil(size / this.#blockBytes) - 1) * this.#blockBytes;
    for (let done = 0; done < outside;) {
      const length = Math.min(outside - done, 1024 * 1024);
      yield this.read(pointer * this.#blockBytes + done, length);
      done += length;
    }
    if (outside < size) yield this.read(attributes.at + attributes.bytes, size - outside);
  }

  entries(folder: ErofsInode): FolderEntry[] {
    if (folder.size > MAX_FOLDER_BYTES) throw damagedErofs(`the folder of inode ${folder.number} has ${folder.size} bytes`);
    const bytes = Buffer.concat([...this.content(folder)]);
    const entries: FolderEntry[] = [];
    for (let at = 0; at < bytes.length; at += this.#blockBytes)
      this.#readBlock(bytes.subarray(at, at + this.#blockBytes), folder.number, entries);
    return entries;
  }

  linkTarget(inode: ErofsInode): string {
    if (inode.size > MAX_TARGET_BYTES) throw damagedErofs(`the link of inode ${inode.number} has ${inode.size} bytes`);
    return Buffer.concat([...this.content(inode)]).toString('latin1');
  }

  read(offset: number, length: number): Buffer {
    return this.#source.read(offset, length);
  }

  /** Entries from the block's start, then their names, each up to the next one's. */
  #readBlock(block: Buffer, folder: number, into: FolderEntry[]): void {
    const first = block.length < DIRENT_BYTES ? 0 : block.readUInt16LE(8);
    if (first < DIRENT_BYTES || first % DIRENT_BYTES !== 0 || first > block.length) throw damagedErofs(`the folder of inode ${folder}`);
    for (let at = 0; at < first; at += DIRENT_BYTES) {
      const from = block.readUInt16LE(at + 8);
      const to = at + DIRENT_BYTES < first ? block.readUInt16LE(at + DIRENT_BYTES + 8) : block.length;
      if (from < first || to < from || to > block.length) throw damagedErofs(`the folder of inode ${folder}`);
      into.push({ inode: u64le(block, at), name: block.toString('latin1', from, to).split('\0', 1)[0]! });
    }
  }
}
