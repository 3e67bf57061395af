import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { tempDir } from './temp-dir.ts';

export interface GuestOptions {
  readonly name?: string;
  readonly fstab?: string;
  /** Paths without a leading slash, and contents. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
}

/** A folder that looks like the root of a system, of some 300 KiB: what a conversion looks at, and nothing more. */
export function makeGuestTree(cleanup: Cleanup, { name = 'Tiny Linux 1', fstab, files = {} }: GuestOptions = {}): string {
  const root = join(tempDir(cleanup, 'guest'), 'root');
  for (const folder of ['bin', 'boot', 'dev', 'etc', 'home', 'proc', 'root', 'sbin', 'sys', 'tmp', 'usr/lib', 'var/log'])
    mkdirSync(join(root, folder), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  chmodSync(join(root, 'root'), 0o700);
  for (const program of ['bin/sh', 'sbin/init']) copyFileSync('/bin/dash', join(root, program));
  writeFileSync(join(root, 'etc/os-release'), `PRETTY_NAME="${name}"\n`);
  if (fstab !== undefined) writeFileSync(join(root, 'etc/fstab'), fstab);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}
