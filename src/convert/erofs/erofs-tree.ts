import type { ByteSource } from '../header/byte-source.ts';
import type { Attribute, FileTree, Found } from '../reader/file-tree.ts';
import { walkTree } from '../reader/walk-tree.ts';
import { readErofsAttributes } from './attributes.ts';
import { damagedErofs, ErofsFileSystem, type ErofsInode } from './erofs-file-system.ts';
import { UnpackedFiles } from './unpacked-files.ts';

/** The tools of erofs lose owners, attributes and hard links of what they unpack: they are taken from the file system itself, and nothing but the contents from a folder. */
export class ErofsTree implements FileTree<ErofsInode> {
  readonly #fs: ErofsFileSystem;
  readonly #unpacked: UnpackedFiles;
  #below = '';

  private constructor(fs: ErofsFileSystem, unpacked: string) {
    this.#fs = fs;
    this.#unpacked = new UnpackedFiles(unpacked);
  }

  /** Undefined for one with a feature that is not known here. */
  static open(volume: ByteSource, unpacked: string): ErofsTree | undefined {
    const fs = ErofsFileSystem.open(volume);
    return fs && new ErofsTree(fs, unpacked);
  }

  walk(below: string, isLeftOut: (path: string) => boolean): Iterable<Found<ErofsInode>> {
    const fs = this.#fs;
    this.#below = below;
    return walkTree(
      { root: fs.root, inode: (number) => fs.inode(number), entries: (folder) => fs.entries(folder), damaged: damagedErofs },
      below,
      isLeftOut,
    );
  }

  sectors({ size }: ErofsInode): number {
    return Math.ceil(size / 512);
  }

  content({ path, inode }: Found<ErofsInode>): Iterable<Buffer> {
    return inode.layout === 'packed'
      ? this.#unpacked.content(this.#below === '' ? path : `${this.#below}/${path}`, inode.size)
      : this.#fs.content(inode);
  }

  linkTarget(inode: ErofsInode): string {
    return this.#fs.linkTarget(inode);
  }

  /** Linux' new_decode_dev. */
  device({ pointer }: ErofsInode): { major: number; minor: number } {
    return { major: (pointer & 0xf_ff00) >>> 8, minor: (pointer & 0xff) | ((pointer >>> 12) & 0xf_ff00) };
  }

  attributes(inode: ErofsInode): Attribute[] {
    return readErofsAttributes(this.#fs, inode);
  }
}
