import { LayerswarmError } from '../../errors.ts';
import type { FindOptions, FoundRoot, ReadableVolume } from './find-root.ts';
import { meansVolume, mountOption, type FstabEntry } from './fstab.ts';
import { GuestTree } from './guest-tree.ts';
import { listSubvolumes, TOP_LEVEL } from './subvolumes.ts';

/** The whole system: the root, and the other file systems that its fstab mounts into it. */
export interface Assembled {
  readonly tree: GuestTree;
  /** The same mounts as programs see them, the root first, parents before children. */
  readonly folders: readonly { readonly at: string; readonly folder: string }[];
  readonly fstab: readonly FstabEntry[];
}

const VIRTUAL_TYPES = new Set(['swap', 'tmpfs', 'proc', 'sysfs', 'devpts', 'devtmpfs', 'cgroup', 'cgroup2', 'nfs', 'nfs4', 'cifs', '9p', 'overlay', 'none', 'ignore', 'vfat', 'msdos', 'iso9660', 'udf', 'auto.nfs']);
/** Without these a system does not work; the others are data that may lie on another disk. */
const NEEDED = new Set(['/usr']);

/**
 * Adds /boot, /usr, /home, /var and whatever else fstab mounts from this disk. Nothing is mounted onto a path of the guest, where a
 * link could lead out: the trees stay side by side, and a path that was resolved inside the root says where each belongs.
 */
export async function assemble({ root, readable }: FoundRoot, { where, mounter, note, signal }: FindOptions): Promise<Assembled> {
  const tree = new GuestTree(`${where.prefix}${root.folder}`);
  const folders = [{ at: '/', folder: root.folder }];
  const entries = root.evidence.fstab
    .filter(({ file, type }) => file.startsWith('/') && file !== '/' && !VIRTUAL_TYPES.has(type))
    .sort((a, b) => depth(a.file) - depth(b.file));
  for (const entry of entries) {
    const source = readable.find(({ volume, filesystem }) => meansVolume(entry.spec, volume, filesystem));
    const problem = source === undefined ? `fstab mounts it from ${entry.spec.slice(0, 100)}, which is not on this disk` : source.refused;
    if (source === undefined || problem !== undefined) {
      if (NEEDED.has(entry.file) && !entry.options.includes('nofail')) throw new LayerswarmError(source === undefined ? 'not-found' : 'denied', `${entry.file} is missing: ${problem}`);
      note(`${JSON.stringify(entry.file)} is left out: ${problem}`);
      continue;
    }
    const at = tree.resolve(entry.file);
    if (at?.stat?.isDirectory() !== true || at.path === '/' || folders.some((known) => known.at === at.path)) {
      note(`${JSON.stringify(entry.file)} is left out: there is no folder for it in the root`);
      continue;
    }
    const folder = await mountEntry(entry, source, { where, mounter, signal });
    if (folder === undefined) {
      note(`${JSON.stringify(entry.file)} is left out: there is no subvolume ${mountOption(entry, 'subvol')?.slice(0, 100)}`);
      continue;
    }
    tree.add(at.path, `${where.prefix}${folder}`);
    folders.push({ at: at.path, folder });
  }
  return { tree, folders, fstab: root.evidence.fstab };
}

async function mountEntry(entry: FstabEntry, { volume, filesystem }: ReadableVolume, { where, mounter, signal }: Pick<FindOptions, 'where' | 'mounter' | 'signal'>): Promise<string | undefined> {
  if (filesystem.kind !== 'btrfs') return (await mounter.mount(volume, filesystem)).path;
  const path = mountOption(entry, 'subvol')?.replace(/^\/+/, '');
  if (path === undefined) {
    const id = Number(mountOption(entry, 'subvolid') ?? Number.NaN);
    return (await mounter.mount(volume, filesystem, Number.isInteger(id) ? id : undefined)).path;
  }
  // Mounted by id: a path goes through the disk's own names.
  const top = await mounter.mount(volume, filesystem, TOP_LEVEL);
  const subvolume = (await listSubvolumes(where, top.path, signal)).find((candidate) => candidate.path === path);
  return subvolume && (await mounter.mount(volume, filesystem, subvolume.id)).path;
}

function depth(path: string): number {
  return path.split('/').filter((name) => name !== '').length;
}
