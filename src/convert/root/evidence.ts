import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';
import { meansVolume, mountOption, parseFstab, type FstabEntry } from './fstab.ts';
import type { GuestTree } from './guest-tree.ts';

/** What speaks for a file system being a root. */
export interface Evidence {
  readonly osRelease: string | undefined;
  readonly hasInit: boolean;
  readonly hasShell: boolean;
  readonly fstab: readonly FstabEntry[];
  /** Whether the fstab in it says that `/` is this file system (and, for btrfs, this subvolume). */
  readonly namesItself: boolean;
  /** Whether the partition's type says "root". */
  readonly typedAsRoot: boolean;
  /** How many of the folders of a root it has. */
  readonly folders: number;
}

/** Discoverable Partitions Specification: root partitions of amd64, arm64, arm, x86, riscv64, s390x, ppc64le. */
const ROOT_TYPES = new Set([
  '4f68bce3-e8cd-4db1-96e7-fbcaf984b709', 'b921b045-1df0-41c3-af44-4c6f280d3fae', '69dad710-2ce4-4e3c-b16c-21a1d49abed3',
  '44479540-f297-41b2-9af7-d131d5f0458a', '72ec70a6-cf74-40e6-bd49-4bda08e8f224', '5eead9a9-fe09-4a1e-a1d7-520d00531306',
  'c31c45e6-3f39-412e-80fb-4809c4980599',
]);
const ROOT_FOLDERS = ['/etc', '/usr', '/var', '/root', '/proc', '/sys', '/dev'];
const INITS = ['/sbin/init', '/usr/sbin/init', '/lib/systemd/systemd', '/usr/lib/systemd/systemd', '/bin/init'];
const SHELLS = ['/bin/sh', '/usr/bin/sh', '/bin/bash'];

export function gatherEvidence(tree: GuestTree, volume: Volume, filesystem: FileSystem, subvolume: string | undefined): Evidence {
  const fstab = parseFstab(tree.readText('/etc/fstab') ?? '');
  const root = fstab.find(({ file }) => file === '/');
  return {
    osRelease: tree.readText('/etc/os-release') ?? tree.readText('/usr/lib/os-release'),
    hasInit: INITS.some((path) => tree.isFile(path)),
    hasShell: SHELLS.some((path) => tree.isFile(path)),
    fstab,
    namesItself: root !== undefined && meansVolume(root.spec, volume, filesystem) && meansSubvolume(root, subvolume),
    typedAsRoot: ROOT_TYPES.has(volume.partition?.type ?? ''),
    folders: ROOT_FOLDERS.filter((path) => tree.isDirectory(path)).length,
  };
}

function meansSubvolume(root: FstabEntry, subvolume: string | undefined): boolean {
  const named = mountOption(root, 'subvol')?.replace(/^\/+/, '');
  return named === undefined || named === (subvolume ?? '');
}

/** Zero: no root at all. */
export function score(evidence: Evidence): number {
  const { osRelease, hasInit, hasShell, fstab, namesItself, typedAsRoot, folders } = evidence;
  // With /usr on a file system of its own, neither of the first two can be seen yet.
  if (osRelease === undefined && !hasInit && !(fstab.length > 0 && folders >= 3)) return 0;
  return (osRelease === undefined ? 0 : 4) + (hasInit ? 3 : 0) + (hasShell ? 1 : 0) + (namesItself ? 3 : 0) + (fstab.length > 0 ? 1 : 0) + (typedAsRoot ? 2 : 0) + (folders >= 5 ? 1 : 0);
}
