import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { makeBaseFiles } from './base-files.ts';
import { unreadable } from './broken.ts';
import { chooseSlot } from './choose-slot.ts';
import { goTogether, isAutomatic, roleOf, varPartitionId } from './discoverable.ts';
import type { MountedTree } from '../mount/mounter.ts';
import type { FindOptions, FoundRoot, ReadableVolume } from './candidate.ts';
import { meansVolume, mountOption, type FstabEntry } from './fstab.ts';
import { GuestTree, latin1 } from './guest-tree.ts';
import { listSubvolumes, TOP_LEVEL } from './subvolumes.ts';

/** A file system's place in the guest. */
export interface Place {
  readonly at: string;
  readonly folder: string;
  readonly volume?: MountedTree['volume'];
  /** Set for what was made here, and belongs to root: the root's own entry is in it only where it is the first. */
  readonly made?: boolean;
}

/** The whole system: the root, and the other file systems that its fstab mounts into it. */
export interface Assembled {
  readonly tree: GuestTree;
  /** The same mounts as programs see them, the root first, parents before children. */
  readonly folders: readonly Place[];
  readonly fstab: readonly FstabEntry[];
}

/** What a boot mounts that is no file system of a disk. */
const VIRTUAL_TYPES = new Set([
  'swap',
  'tmpfs',
  'proc',
  'sysfs',
  'devpts',
  'devtmpfs',
  'cgroup',
  'cgroup2',
  'nfs',
  'nfs4',
  'cifs',
  '9p',
  'overlay',
  'none',
  'ignore',
  'iso9660',
  'udf',
  'auto.nfs',
]);
const FAT_TYPES = new Set(['vfat', 'msdos', 'exfat']);
/** Without these a system does not work; the others are data that may lie on another disk. */
const NEEDED = new Set(['/usr']);
/** Linux' NAME_MAX. */
const MAX_NAME_BYTES = 255;

/**
 * Adds /boot, /usr, /home, /var and whatever else fstab mounts from this disk, and what systemd mounts without an fstab, by the
 * partitions' types. Nothing is mounted onto a path of the guest, where a link could lead out: the trees stay side by side, and a path
 * that was resolved inside the root says where each belongs. Each file system is there once, however often fstab mounts it.
 */
export async function assemble(found: FoundRoot, options: FindOptions): Promise<Assembled> {
  const { root, readable } = found;
  const { where, mounter, note, signal } = options;
  const tree = new GuestTree(`${where.prefix}${root.folder}`, root.made);
  const folders: Place[] = [{ at: '/', folder: root.folder, volume: root.volume, ...(root.made === true && { made: true }) }];
  const place = (named: string, at: string, { path: folder, volume }: MountedTree): void => {
    const known = folders.find((other) => other.folder === folder);
    if (known !== undefined) {
      note(`${JSON.stringify(named)} is left out: its file system is at ${JSON.stringify(known.at)} already`);
      return;
    }
    tree.add(at, `${where.prefix}${folder}`);
    folders.push({ at, folder, volume });
  };
  addVariable(root, options, tree, folders);
  const entries = root.evidence.fstab
    .filter(({ file, type }) => file.startsWith('/') && file !== '/' && !VIRTUAL_TYPES.has(type))
    .sort((a, b) => depth(a.file) - depth(b.file));
  for (const entry of entries) {
    const leaveOut = (problem: string): void => {
      note(`${JSON.stringify(shortened(entry.file))} is left out: ${problem}`);
    };
    if (FAT_TYPES.has(entry.type)) {
      leaveOut(`it is ${entry.type}, which is not read`);
      continue;
    }
    const source = readable.find(({ volume, filesystem }) => meansVolume(entry.spec, volume, filesystem));
    const problem =
      source === undefined
        ? `fstab mounts it from ${printable(entry.spec)}, which is not on this disk (--disk names further ones), or cannot be read`
        : source.refused;
    if (source === undefined || problem !== undefined) {
      if (isNeeded(entry))
        throw source?.broken ?? new LayerswarmError(source === undefined ? 'not-found' : 'denied', `${entry.file} is missing: ${problem}`);
      leaveOut(problem ?? '');
      continue;
    }
    const at = tree.resolve(entry.file);
    const isPlace = at?.stat === undefined ? at?.path === entry.file.replace(/\/+$/, '') && canBeMade(at.path) : at.stat.isDirectory();
    if (at === undefined || !isPlace || at.path === '/' || folders.some((known) => known.at === at.path)) {
      leaveOut('there is no folder for it in the root');
      continue;
    }
    const mounted = await orBroken(source, async () => await mountEntry(entry, source, { where, mounter, signal }));
    if (mounted instanceof LayerswarmError) {
      if (isNeeded(entry)) throw mounted;
      leaveOut(mounted.message);
    } else if (mounted === undefined) leaveOut(`there is no subvolume ${printable(mountOption(entry, 'subvol') ?? '')}`);
    else place(shortened(entry.file), at.path, mounted);
  }
  for (const { path, source } of await automaticMounts(found, tree, options)) {
    if (entries.some(({ file }) => file.replace(/\/+$/, '') === path)) continue;
    const at = tree.resolve(path);
    const isFree =
      at !== undefined &&
      (at.stat === undefined ? at.path === path : at.stat.isDirectory() && tree.list(path).every((name) => name === 'lost+found'));
    if (source.refused !== undefined) note(`"${path}" is left out: ${source.refused}`);
    else if (isFree && !folders.some((known) => known.at === at.path)) {
      const mounted = await orBroken(source, async () => await mounter.mount(source.volume, source.filesystem));
      if (!(mounted instanceof LayerswarmError)) place(path, at.path, mounted);
      else if (NEEDED.has(path)) throw mounted;
      else note(`"${path}" is left out: ${mounted.message}`);
    } else note(`"${path}" of ${source.volume.name} is left out: the root has no empty folder for it`);
  }
  if (root.score === 0 && folders.some(({ at }) => at === '/usr')) {
    const folder = join(where.scratch, 'base');
    mkdirSync(folder, { mode: 0o755 });
    for (const name of makeBaseFiles(tree, folder)) tree.add(`/${name}`, `${where.prefix}${folder}/${name}`, true);
    folders.push({ at: '/', folder, made: true });
    note('the root has nothing yet but a /usr: it gets what systemd makes in it when it first boots');
  }
  return { tree, folders, fstab: root.evidence.fstab };
}

/** ostree mounts the one /var of all versions of a system into the version that boots. */
function addVariable(
  { deployment, below, evidence }: FoundRoot['root'],
  { where, note }: FindOptions,
  tree: GuestTree,
  folders: Place[],
): void {
  if (deployment?.variable === undefined || below === undefined) return;
  note(`the root is ${deployment.path}, a deployment of ostree; /sysroot, with the others, is left out`);
  if (evidence.fstab.some(({ file }) => file === '/var')) return;
  const folder = `${below.folder}/${deployment.variable}`;
  tree.add('/var', `${where.prefix}${folder}`);
  folders.push({ at: '/var', folder, ...(below.volume && { volume: { ...below.volume, below: latin1(deployment.variable) } }) });
}

function isUsrOf(root: ReadableVolume, source: ReadableVolume): boolean {
  const { partition } = source.volume;
  return (
    partition !== undefined &&
    roleOf(partition) === 'usr' &&
    source !== root &&
    isAutomatic(partition) &&
    goTogether(root.volume.partition, partition)
  );
}

/** What systemd-gpt-auto-generator(8) mounts: the partitions of the root's own disk whose types say what they are. */
async function automaticMounts(
  { root, readable, usr }: FoundRoot,
  tree: GuestTree,
  options: FindOptions,
): Promise<{ path: string; source: ReadableVolume }[]> {
  const { note } = options;
  const mounts: { path: string; source: ReadableVolume }[] = [];
  const slots = readable.filter((source) => isUsrOf(root.source, source));
  const active = usr ?? (await chooseSlot(slots, options));
  if (active !== undefined) mounts.push({ path: '/usr', source: active });
  for (const { volume } of slots.filter((slot) => slot !== active))
    note(`${volume.name} is left out: ${active?.volume.name} is the /usr that is booted`);
  for (const source of readable) {
    const { partition, name } = source.volume;
    const role = roleOf(partition);
    if (
      partition === undefined ||
      role === undefined ||
      role === 'root' ||
      role === 'usr' ||
      source === root.source ||
      !isAutomatic(partition)
    )
      continue;
    if (role === 'var' && partition.uuid !== varPartitionId(tree.readText('/etc/machine-id')))
      note(`${name} is left out: it is the /var of a machine with another id than the root's`);
    else if (mounts.some(({ path }) => path === `/${role}`)) note(`${name} is left out: another partition is /${role} already`);
    else mounts.push({ path: `/${role}`, source });
  }
  return mounts;
}

/** A mount point that is missing is made, as systemd does, where no link leads to it: but for a name that no file system takes. */
function canBeMade(path: string): boolean {
  return Buffer.byteLength(path.slice(path.lastIndexOf('/') + 1)) <= MAX_NAME_BYTES;
}

function isNeeded({ file, options }: FstabEntry): boolean {
  return NEEDED.has(file) && !options.includes('nofail');
}

/** What mounting gives, or what is wrong with the file system where that fails. */
async function orBroken<T>({ volume, filesystem }: ReadableVolume, mount: () => Promise<T>): Promise<T | LayerswarmError> {
  try {
    return await mount();
  } catch (error) {
    return unreadable(volume, filesystem, error);
  }
}

async function mountEntry(
  entry: FstabEntry,
  { volume, filesystem }: ReadableVolume,
  { where, mounter, signal }: Pick<FindOptions, 'where' | 'mounter' | 'signal'>,
): Promise<MountedTree | undefined> {
  if (filesystem.kind !== 'btrfs') return await mounter.mount(volume, filesystem);
  const path = mountOption(entry, 'subvol')?.replace(/^\/+/, '');
  if (path === undefined) {
    const id = Number(mountOption(entry, 'subvolid') ?? Number.NaN);
    return await mounter.mount(volume, filesystem, Number.isInteger(id) ? id : undefined);
  }
  // Mounted by id: a path goes through the disk's own names.
  const top = await mounter.mount(volume, filesystem, TOP_LEVEL);
  const subvolume = (await listSubvolumes(where, top.path, signal)).find((candidate) => candidate.path === path);
  return subvolume && (await mounter.mount(volume, filesystem, subvolume.id));
}

/** For a message: it comes from the disk. */
function shortened(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}

function printable(text: string): string {
  return shortened(text).replaceAll(/[^\x20-\x7e]/g, '?');
}

function depth(path: string): number {
  return path.split('/').filter((name) => name !== '').length;
}
