import { ErofsTree } from '../../../src/convert/erofs/erofs-tree.ts';
import { ExtTree } from '../../../src/convert/ext/ext-tree.ts';
import type { FileTree, TreeInode } from '../../../src/convert/reader/file-tree.ts';
import { SparseDisk } from '../sparse-disk.ts';
import { check, type FuzzTarget } from '../target.ts';

/** A hostile file may be as long as its size can say, all of it holes: that much is looked at. */
const MAX_CONTENT = 1 << 20;
const MAX_ENTRIES = 1000;

/** Everything of a file system, as far as a run may take time. */
function readAll<I extends TreeInode>(tree: FileTree<I> | undefined): void {
  if (tree === undefined) return;
  let entries = 0;
  for (const found of tree.walk('', () => false)) {
    const { path, inode } = found;
    check(!path.split('/').some((name) => name === '..' || name === '.' || name.includes('\0')), 'a path that leads elsewhere');
    if (++entries > MAX_ENTRIES) return;
    tree.sectors(inode);
    tree.attributes(inode);
    tree.device(inode);
    if (inode.type === 'l') tree.linkTarget(inode);
    if (inode.type !== 'f') continue;
    let bytes = 0;
    for (const part of tree.content(found)) if ((bytes += part.length) > MAX_CONTENT) break;
  }
}

/** Their seeds are in the corpus: images that mkfs made, of a few files. */
export const treeTargets: readonly FuzzTarget[] = [
  {
    name: 'ext',
    limit: 16_384,
    seeds: () => [],
    run: (input) => {
      readAll(ExtTree.open(new SparseDisk(input)));
    },
  },
  {
    name: 'erofs',
    limit: 16_384,
    seeds: () => [],
    run: (input) => {
      readAll(ErofsTree.open(new SparseDisk(input), '/nonexistent'));
    },
  },
];
