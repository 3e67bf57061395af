import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';

/** Debian keeps daemons and file system tools where a plain user's PATH does not look. */
export const PROGRAM_PATH = `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Every program that is run here, with the Debian package that brings it. */
const PACKAGES = {
  'qemu-storage-daemon': 'qemu-system-common',
  'qemu-img': 'qemu-utils',
  fuse2fs: 'fuse2fs',
  fusermount3: 'fuse3',
  guestmount: 'guestmount',
  e2fsck: 'e2fsprogs',
  btrfs: 'btrfs-progs',
  tar: 'tar',
  find: 'findutils',
  setpriv: 'util-linux',
  blkid: 'util-linux',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  losetup: 'mount',
  mount: 'mount',
  umount: 'mount',
  unsquashfs: 'squashfs-tools',
  'fsck.erofs': 'erofs-utils',
  chroot: 'coreutils',
  sh: 'dash',
  mkfifo: 'coreutils',
  gzip: 'gzip',
  xz: 'xz-utils',
  zstd: 'zstd',
  bzip2: 'bzip2',
  lz4: 'lz4',
} as const;

export type Program = keyof typeof PACKAGES;

export function hasProgram(program: Program): boolean {
  return PROGRAM_PATH.split(':').some((folder) => folder !== '' && isExecutable(join(folder, program)));
}

/** @throws LayerswarmError `unavailable`, naming all that are missing and the packages that bring them */
export function requirePrograms(programs: readonly Program[], has: (program: Program) => boolean = hasProgram): void {
  const missing = programs.filter((program) => !has(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => PACKAGES[program]))];
  throw new LayerswarmError(
    'unavailable',
    `missing on this host: ${missing.join(', ')}; on Debian: apt-get install ${packages.join(' ')}`,
    { detail: { missing, packages } },
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
