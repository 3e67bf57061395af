import type { ByteSource } from '../header/byte-source.ts';
import type { Attribute, FileTree, Found } from '../reader/file-tree.ts';
import { readAttributes } from './attributes.ts';
import { BlockBudget } from './block-budget.ts';
import { content, linkTarget } from './content.ts';
import { ExtFileSystem } from './ext-file-system.ts';
import { deviceNumbers, type Inode } from './inode.ts';
import { walk } from './walk.ts';

export class ExtTree implements FileTree<Inode> {
  readonly #fs: ExtFileSystem;
  readonly #budget: BlockBudget;

  private constructor(fs: ExtFileSystem) {
    this.#fs = fs;
    this.#budget = new BlockBudget(fs);
  }

  /** Undefined for one with a feature that is not known here. */
  static open(volume: ByteSource): ExtTree | undefined {
    const fs = ExtFileSystem.open(volume);
    return fs && new ExtTree(fs);
  }

  walk(below: string, isLeftOut: (path: string) => boolean): Iterable<Found<Inode>> {
    return walk(this.#fs, isLeftOut, below);
  }

  sectors(inode: Inode): number {
    return this.#budget.sectors(inode);
  }

  content({ inode }: Found<Inode>): Iterable<Buffer> {
    return content(this.#fs, inode);
  }

  linkTarget(inode: Inode): string {
    return linkTarget(this.#fs, inode);
  }

  device(inode: Inode): { major: number; minor: number } {
    return deviceNumbers(inode);
  }

  attributes(inode: Inode): Attribute[] {
    return readAttributes(this.#fs, inode);
  }
}
