import { chmodSync, lutimesSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { GuestTree } from './guest-tree.ts';

/** systemd's src/shared/base-filesystem.c: what it makes at the first boot of a root in which there is nothing but a /usr. */
const FOLDERS: Readonly<Record<string, number>> = {
  dev: 0o755,
  etc: 0o755,
  home: 0o755,
  proc: 0o755,
  root: 0o750,
  run: 0o755,
  sys: 0o755,
  tmp: 0o1777,
  var: 0o755,
};
const LINKS = ['bin', 'lib', 'lib32', 'lib64', 'sbin'];

/**
 * Makes, in an empty folder, what the root of a system whose programs are all in /usr lacks.
 * @returns the names that were made
 */
export function makeBaseFiles(tree: GuestTree, folder: string): string[] {
  const made: string[] = [];
  const isMissing = (name: string): boolean => tree.resolve(`/${name}`)?.stat === undefined;
  for (const [name, mode] of Object.entries(FOLDERS).filter(([name]) => isMissing(name))) {
    mkdirSync(join(folder, name));
    chmodSync(join(folder, name), mode);
    made.push(name);
  }
  for (const name of LINKS.filter((name) => isMissing(name) && tree.isDirectory(`/usr/${name}`))) {
    symlinkSync(`usr/${name}`, join(folder, name));
    made.push(name);
  }
  for (const name of made) lutimesSync(join(folder, name), 0, 0);
  lutimesSync(folder, 0, 0);
  return made;
}
