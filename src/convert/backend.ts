import { LayerswarmError } from '../errors.ts';
import type { Cleanup } from './cleanup.ts';
import type { DiskFile } from './map/disk-file.ts';
import { mapByCopy } from './map/map-by-copy.ts';
import { mapByExport } from './map/map-by-export.ts';
import type { MappedDisk } from './map/volume.ts';
import { FuseMounter, hasFuse } from './mount/fuse-mounter.ts';
import { GuestMounter, hasGuestKernel } from './mount/guest-mounter.ts';
import { LoopMounter } from './mount/loop-mounter.ts';
import { MountOnce } from './mount/mount-once.ts';
import type { Mounter } from './mount/mounter.ts';
import { hasProgram, requirePrograms, type Program } from './program/find-programs.ts';
import type { Surroundings } from './program/run-program.ts';

/**
 * `fuse`: FUSE export and fuse2fs; no root. `loop`: FUSE export, loop device and kernel mount; root. `raw`: a sparse raw copy, then
 * whichever of the two mounts is there. `guestfs`: FUSE export and a virtual machine; no root, and xfs without trust.
 */
export const BACKENDS = ['fuse', 'loop', 'raw', 'guestfs'] as const;
export type BackendName = (typeof BACKENDS)[number];

export interface BackendContext {
  readonly where: Surroundings;
  readonly cleanup: Cleanup;
  readonly signal: AbortSignal | undefined;
}

/** A way to get from a disk image to the files in it, in two stages. All ways give the same trees. */
export interface Backend {
  readonly name: BackendName;
  /** First stage: disk images → virtual disks, and each volume in them, as files. */
  map(files: readonly DiskFile[], context: BackendContext): Promise<MappedDisk>;
  /** Second stage: what turns a volume into a folder. */
  mounter(context: BackendContext): Mounter;
}

export interface BackendChoice {
  readonly wanted: BackendName | undefined;
  /** Whether the kernel may be shown xfs and btrfs, and is preferred for ext. */
  readonly trust: boolean;
  /** Whether the image is compressed: then a raw copy is faster than reading it in place. */
  readonly compressed: boolean;
}

/** What the host offers. */
export interface HostAbilities {
  readonly root: boolean;
  readonly fuse: boolean;
  /** A kernel that a virtual machine can start. */
  readonly kernel: boolean;
  readonly has: (program: Program) => boolean;
}

export function hostAbilities(): HostAbilities {
  return { root: process.getuid?.() === 0, fuse: hasFuse(), kernel: hasGuestKernel(), has: hasProgram };
}

const KERNEL_PROGRAMS: readonly Program[] = ['losetup', 'mount', 'umount', 'e2fsck'];
const FUSE_PROGRAMS: readonly Program[] = ['fuse2fs', 'fusermount3', 'e2fsck'];
const GUEST_PROGRAMS: readonly Program[] = ['guestmount', 'fusermount3', 'e2fsck'];

/**
 * Chooses by what the machine has and what the user trusts: fuse2fs first, since a hostile file system then meets a process and not
 * the kernel; the kernel where it is trusted, or where fuse2fs is missing.
 */
export function chooseBackend({ wanted, trust, compressed }: BackendChoice, { root, fuse, kernel, has }: HostAbilities): Backend {
  const byKernel = root && (wanted === 'loop' || trust || !(fuse && has('fuse2fs')));
  if (wanted === 'loop' && !root)
    throw new LayerswarmError('usage', 'the loop backend mounts with the kernel, and only root may: use --backend fuse, or run as root');
  if (trust && !root && wanted === undefined)
    throw new LayerswarmError('usage', '--trust lets the kernel mount the disk, and only root may: run as root, or leave it out');
  const name = wanted ?? (!fuse || compressed ? 'raw' : byKernel ? 'loop' : 'fuse');
  const mountWithKernel = name === 'loop' || (name === 'raw' && byKernel);
  const programs: readonly Program[] = [
    'setpriv',
    'mkfifo',
    'find',
    'tar',
    'qemu-img',
    ...(name === 'raw' ? [] : ['qemu-storage-daemon' as const]),
    ...(name === 'guestfs' ? GUEST_PROGRAMS : mountWithKernel ? KERNEL_PROGRAMS : FUSE_PROGRAMS),
  ];
  if (!fuse && !(name === 'raw' && mountWithKernel))
    throw new LayerswarmError('unavailable', 'this host has no FUSE (modprobe fuse): load it, or run as root with --backend raw');
  requirePrograms(programs, has);
  if (name === 'guestfs' && !kernel)
    throw new LayerswarmError(
      'unavailable',
      `there is no kernel in /boot that a virtual machine could start; on Debian: apt-get install linux-image-cloud-${process.arch === 'x64' ? 'amd64' : process.arch}`,
    );
  return {
    name,
    map:
      name === 'raw'
        ? (files, { where, signal }) => mapByCopy(files, where, signal)
        : (files, { where, cleanup }) => mapByExport(files, { where, folder: where.scratch, cleanup }),
    mounter: (context) =>
      new MountOnce(
        name === 'guestfs' ? new GuestMounter(context) : mountWithKernel ? new LoopMounter(context, trust) : new FuseMounter(context),
      ),
  };
}
