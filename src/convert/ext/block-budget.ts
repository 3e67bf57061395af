import { damaged, type ExtFileSystem } from './ext-file-system.ts';
import type { Inode } from './inode.ts';

const SECTOR_BYTES = 512;

/** Files that share blocks, or say that they have more than there are, would make a layer of any size out of a small disk. */
export class BlockBudget {
  readonly #total: number;
  #used = 0;
  readonly #linked = new Set<number>();

  constructor({ blocks, blockBytes }: Pick<ExtFileSystem, 'blocks' | 'blockBytes'>) {
    this.#total = (blocks * blockBytes) / SECTOR_BYTES;
  }

  /** How many sectors the inode has. @throws LayerswarmError when all together have more than the file system */
  sectors({ number, sectors, links }: Pick<Inode, 'number' | 'sectors' | 'links'>): number {
    if (links > 1) {
      if (this.#linked.has(number)) return sectors;
      this.#linked.add(number);
    }
    this.#used += sectors;
    if (this.#used > this.#total) throw damaged('its files have more blocks than there are');
    return sectors;
  }
}
