import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';
import { meansVolume, mountOption, parseFstab, type FstabEntry } from './fstab.ts';
import type { GuestTree } from './guest-tree.ts';
import { readOsRelease } from './os-release.ts';
import { roleOf, type Role } from './discoverable.ts';

/** What speaks for a file system being a root. */
export interface Evidence {
  readonly osRelease: string | undefined;
  readonly hasInit: boolean;
  readonly hasShell: boolean;
  readonly fstab: readonly FstabEntry[];
  /** Whether the fstab in it says that `/` is this file system (and, for btrfs, this subvolume). */
  readonly namesItself: boolean;
  /** What the partition's type says that it is. */
  readonly role: Role | undefined;
  readonly hasEtc: boolean;
  /** Programs, and nothing that only a root has. */
  readonly isOnlyUsr: boolean;
  /** How many of the folders of a root it has. */
  readonly folders: number;
}

const ROOT_FOLDERS = ['/etc', '/usr', '/var', '/root', '/proc', '/sys', '/dev'];
const USR_FOLDERS = ['/bin', '/lib'];
const INITS = ['/sbin/init', '/usr/sbin/init', '/lib/systemd/systemd', '/usr/lib/systemd/systemd', '/bin/init'];
const SHELLS = ['/bin/sh', '/usr/bin/sh', '/bin/bash'];

export function gatherEvidence(tree: GuestTree, volume: Volume, filesystem: FileSystem, subvolume: string | undefined): Evidence {
  const fstab = parseFstab(tree.readText('/etc/fstab') ?? '');
  const root = fstab.find(({ file }) => file === '/');
  const folders = ROOT_FOLDERS.filter((path) => tree.isDirectory(path)).length;
  return {
    osRelease: readOsRelease(tree),
    hasInit: INITS.some((path) => tree.isFile(path)),
    hasShell: SHELLS.some((path) => tree.isFile(path)),
    fstab,
    namesItself: root !== undefined && meansVolume(root.spec, volume, filesystem) && meansSubvolume(root, subvolume),
    role: roleOf(volume.partition),
    hasEtc: tree.isDirectory('/etc'),
    isOnlyUsr: folders === 0 && USR_FOLDERS.every((path) => tree.isDirectory(path)),
    folders,
  };
}

function meansSubvolume(root: FstabEntry, subvolume: string | undefined): boolean {
  const named = mountOption(root, 'subvol')?.replace(/^\/+/, '');
  return named === undefined || named === (subvolume ?? '');
}

/** Zero: no root at all. */
export function score({ osRelease, hasInit, hasShell, fstab, namesItself, role, hasEtc, isOnlyUsr, folders }: Evidence): number {
  if (isOnlyUsr || (role !== undefined && role !== 'root')) return 0;
  // With /usr on a file system of its own, neither of the first two can be seen yet.
  if (osRelease === undefined && !hasInit && !(hasEtc && (role === 'root' || (fstab.length > 0 && folders >= 3)))) return 0;
  return (
    (osRelease === undefined ? 0 : 4) +
    (hasInit ? 3 : 0) +
    (hasShell ? 1 : 0) +
    (namesItself ? 3 : 0) +
    (fstab.length > 0 ? 1 : 0) +
    (role === 'root' ? 2 : 0) +
    (folders >= 5 ? 1 : 0)
  );
}
