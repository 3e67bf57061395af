import { mkdirSync, openSync, closeSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { mountFailingDisk } from './failing-disk.ts';
import { run, runOk } from './process.ts';
import { tempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

export interface BadDisk {
  /** Where it is mounted. */
  readonly path: string;
  /** A file on it cannot be read any more: EIO. All else can. */
  spoil(file: string, content: Buffer): Promise<void>;
  /** Nothing can be written any more: EIO, and what a file system makes of that. */
  refuseWrites(): void;
}

const NEEDLE_BYTES = 4096;
const WINDOW_BYTES = 8 << 20;

/**
 * A btrfs of its own, which knows what it wrote and has an error for anything else, on a device whose writes can be made to fail. Needs the
 * tools `root`, `mkfs.ext4`, `tune2fs` and `mkfs.btrfs`.
 */
export async function mountBadDisk(cleanup: Cleanup, megabytes: number): Promise<BadDisk> {
  // the device is a file on a disk that turns read-only under it
  const below = await mountFailingDisk(cleanup, megabytes + 100);
  const [image, path] = [join(below.path, 'device'), join(tempDir(cleanup, 'bad'), 'mount')];
  mkdirSync(path);
  await runOk('truncate', ['-s', `${megabytes}M`, image]);
  await runOk('mkfs.btrfs', ['-q', '-m', 'single', '-d', 'single', image]);
  await runOk('mount', ['-o', 'loop', image, path]);
  cleanup.teardown(async () => {
    await run('umount', ['-l', path]);
  });
  return {
    path,
    async spoil(file, content) {
      await runOk('sync', ['-f', file]);
      overwrite(image, content.subarray(0, NEEDLE_BYTES));
      // The kernel may still have it in memory, and keeps it there while somebody reads it.
      await waitFor(`${file} to be unreadable`, async () => {
        await runOk('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
        return isUnreadable(file);
      });
    },
    refuseWrites: () => {
      below.breakNow();
    },
  };
}

/** Every copy of these bytes on the device. */
function overwrite(device: string, needle: Buffer): void {
  const fd = openSync(device, 'r+');
  try {
    const window = Buffer.alloc(WINDOW_BYTES + needle.length);
    let found = 0;
    for (let at = 0; at < statSync(device).size; at += WINDOW_BYTES) {
      const offset = window.subarray(0, readSync(fd, window, 0, window.length, at)).indexOf(needle);
      if (offset < 0) continue;
      writeSync(fd, Buffer.alloc(needle.length), 0, needle.length, at + offset);
      found += 1;
    }
    if (found === 0) throw new Error(`the bytes are not on ${device}`);
  } finally {
    closeSync(fd);
  }
}

function isUnreadable(file: string): boolean {
  const fd = openSync(file, 'r');
  try {
    readSync(fd, Buffer.alloc(NEEDLE_BYTES), 0, NEEDLE_BYTES, 0);
    return false;
  } catch {
    return true;
  } finally {
    closeSync(fd);
  }
}
