import { closeSync, constants, openSync, readFileSync, statSync, type Stats } from 'node:fs';
import { LayerswarmError } from '../../errors.ts';
import type { Cleanup } from '../cleanup.ts';

/** qemu's block/file-posix.c: who may write holds a lock on this byte (RAW_LOCK_PERM_BASE + 1), whatever the format. */
const WRITER_LOCK_BYTE = 101;
const SECTOR = 512;

/** Bytes of a block device; its file says 0. */
export function deviceSize(stat: Stats): number {
  return Number(readFileSync(`${deviceFolder(stat)}/size`, 'utf8')) * SECTOR;
}

/**
 * Refuses a disk that a running virtual machine writes to: what would be read is torn.
 * @throws LayerswarmError `unavailable`
 */
export function checkNotWritten(path: string): void {
  if (!hasWriterLock(path, readFileSync('/proc/locks', 'utf8'))) return;
  throw new LayerswarmError(
    'unavailable',
    `${JSON.stringify(path)} is in use: a running virtual machine writes to it; shut the machine down, or convert a snapshot of the disk; --live-source reads it as it is, which may be torn`,
  );
}

/** @param locks the content of /proc/locks */
export function hasWriterLock(path: string, locks: string): boolean {
  const { dev, ino } = statSync(path, { bigint: true });
  const device = `${hex(major(dev))}:${hex(minor(dev))}:${ino}`;
  return locks.split('\n').some((line) => {
    const [, kind, , , , file, first, last] = line.split(/\s+/);
    return (
      (kind === 'OFDLCK' || kind === 'POSIX') &&
      file === device &&
      Number(first) <= WRITER_LOCK_BYTE &&
      (last === 'EOF' || Number(last) >= WRITER_LOCK_BYTE)
    );
  });
}

/**
 * Claims a block device until the cleanup: the kernel refuses that while it is mounted, swapped to, or part of another device, and
 * nobody can mount it while it is read.
 */
export function claimDevice(path: string, cleanup: Cleanup): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_EXCL);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EBUSY')
      throw new LayerswarmError(
        'unavailable',
        `${JSON.stringify(path)} is in use: it is mounted, or part of another device; unmount it, or convert a snapshot of it; --live-source reads it as it is, which may be torn`,
        { cause: error },
      );
    if (code === 'EACCES')
      throw new LayerswarmError(
        'denied',
        `${JSON.stringify(path)} cannot be read: a block device is for root, or for who may read it (group disk)`,
        { cause: error },
      );
    throw error;
  }
  cleanup.add(() => {
    closeSync(fd);
  });
}

/** What changes when one of the files is written to, also where a device has no times. */
export function sourceState(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) return '';
      if (stat.isBlockDevice()) return `${stat.rdev}:${writesOf(statSync(path))}`;
      return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
    })
    .join('\n');
}

/** Kernel's Documentation/block/stat.rst: the fifth number counts writes. */
function writesOf(stat: Stats): string {
  return (
    readFileSync(`${deviceFolder(stat)}/stat`, 'utf8')
      .trim()
      .split(/\s+/)[4] ?? ''
  );
}

function deviceFolder({ rdev }: Stats): string {
  return `/sys/dev/block/${major(BigInt(rdev))}:${minor(BigInt(rdev))}`;
}

function major(device: bigint): bigint {
  return (device >> 8n) & 0xfffn;
}

function minor(device: bigint): bigint {
  return (device & 0xffn) | ((device >> 12n) & 0xf_ff00n);
}

function hex(value: bigint): string {
  return value.toString(16).padStart(2, '0');
}
