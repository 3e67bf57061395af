import type { LayerswarmError } from '../../errors.ts';
import type { Found, TreeInode } from './file-tree.ts';

export interface FolderEntry {
  /** latin1 */
  readonly name: string;
  readonly inode: number;
}

/** What a walk needs of a file system. */
export interface Walkable<I extends TreeInode> {
  readonly root: number;
  inode(number: number): I;
  /** In any order; checked here. */
  entries(folder: I): FolderEntry[];
  damaged(what: string): LayerswarmError;
}

/**
 * Everything in a file system, each folder before what is in it, by name as bytes: the order of GNU tar's `--sort=name`.
 * @param below the folder to begin at, from which paths count; empty for the root
 * @param isLeftOut with paths such as `./etc/fstab`; what lies below is left out too
 */
export function* walkTree<I extends TreeInode>(fs: Walkable<I>, below: string, isLeftOut: (path: string) => boolean): Generator<Found<I>> {
  const root = startAt(fs, below);
  yield { path: '', inode: root };
  const seen = new Set([root.number]);
  const stack = [{ path: '', entries: sorted(fs, root).values() }];
  for (let folder = stack.at(-1); folder !== undefined; folder = stack.at(-1)) {
    const next = folder.entries.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const path = folder.path === '' ? next.value.name : `${folder.path}/${next.value.name}`;
    if (isLeftOut(`./${path}`)) continue;
    const inode = fs.inode(next.value.inode);
    if (inode.type === undefined) throw fs.damaged(`inode ${inode.number} of ${JSON.stringify(path)} is none of a file`);
    yield { path, inode };
    if (inode.type !== 'd') continue;
    // A folder has one name; a second one would be a circle, or multiply what is in it.
    if (seen.has(inode.number)) throw fs.damaged(`the folder ${JSON.stringify(path)} is in two places`);
    seen.add(inode.number);
    stack.push({ path, entries: sorted(fs, inode).values() });
  }
}

function startAt<I extends TreeInode>(fs: Walkable<I>, below: string): I {
  let folder = fs.inode(fs.root);
  for (const part of below.split('/').filter((part) => part !== '')) {
    const entry = folder.type === 'd' ? fs.entries(folder).find(({ name }) => name === part) : undefined;
    if (entry === undefined) throw fs.damaged(`there is no folder ${JSON.stringify(below)}`);
    folder = fs.inode(entry.inode);
  }
  if (folder.type !== 'd') throw fs.damaged(below === '' ? 'its root is no folder' : `${JSON.stringify(below)} is no folder`);
  return folder;
}

function sorted<I extends TreeInode>(fs: Walkable<I>, folder: I): FolderEntry[] {
  const entries = fs
    .entries(folder)
    .filter(({ name }) => name !== '.' && name !== '..')
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const [i, { name }] of entries.entries()) {
    if (name === '' || name.includes('/') || name.includes('\0') || name === entries[i - 1]?.name)
      throw fs.damaged(`a name in the folder of inode ${folder.number}`);
  }
  return entries;
}
