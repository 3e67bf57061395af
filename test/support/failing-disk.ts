import { mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { run, runOk } from './process.ts';
import { tempDir } from './temp-dir.ts';

export interface FailingDisk {
  /** Where it is mounted. */
  readonly path: string;
  /** The kernel finds an error in the file system, and makes it read-only under whoever has files open there. */
  breakNow(): void;
  /** Its second half cannot be read or written any more, until it is there again, empty. */
  setHalf(there: boolean): void;
}

/** An ext4 file system of its own, that can be made to fail as a bad disk does. Root only. */
export async function mountFailingDisk(cleanup: Cleanup, megabytes: number): Promise<FailingDisk> {
  const dir = tempDir(cleanup, 'disk');
  const [image, path] = [join(dir, 'image'), join(dir, 'mount')];
  mkdirSync(path);
  await runOk('truncate', ['-s', `${megabytes}M`, image]);
  await runOk('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0', image]);
  await runOk('tune2fs', ['-e', 'remount-ro', image]);
  await runOk('mount', ['-o', 'loop', image, path]);
  cleanup.teardown(async () => {
    await run('umount', ['-l', path]);
  });
  const device = basename((await runOk('findmnt', ['-n', '-o', 'SOURCE', path])).stdout.trim());
  const trigger = join('/sys/fs/ext4', device, 'trigger_fs_error');
  if (!readdirSync('/sys/fs/ext4').includes(device)) throw new Error(`the kernel shows no ext4 on ${device}`);
  return {
    path,
    breakNow: () => {
      writeFileSync(trigger, '1');
    },
    // the loop device has an error for what its file ends before
    setHalf: (there) => {
      truncateSync(image, megabytes * (there ? 1 : 0.5) * 2 ** 20);
    },
  };
}
