import { chownSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFoldersSync } from '../../folders.ts';
import { adaptationEntries } from '../adapt/adaptation.ts';
import type { Cleanup } from '../cleanup.ts';
import type { OpenSystem } from '../open-system.ts';
import { runProgram } from '../program/run-program.ts';
import { GuestTree } from '../root/guest-tree.ts';

/** A writable view of a system, over the read-only trees of the disk. */
export interface LiveTree {
  /** Where each tree belongs in the guest, the root first. */
  readonly folders: readonly { readonly at: string; readonly folder: string }[];
  readonly tree: GuestTree;
}

/** Puts an overlay over each file system of the system, and the adaptation into it: what is written goes away with the scratch folder. */
export async function overlaySystem(system: OpenSystem, adapt: boolean, cleanup: Cleanup): Promise<LiveTree> {
  const { where } = system;
  const folders: { at: string; folder: string }[] = [];
  // What was made for a root that lacks it lies below the root's own files.
  const below = system.folders.slice(1).flatMap(({ folder, made }) => (made === true ? [folder] : []));
  for (const [i, { at, folder: lower, made }] of system.folders.entries()) {
    if (made === true && i > 0) continue;
    const [upper, work, folder] = ['upper', 'work', 'live'].map((name) => join(where.scratch, `${name}${i}`)) as [string, string, string];
    for (const path of [upper, work, folder]) mkdirSync(path, { mode: 0o755 });
    const lowerRoot = lstatSync(lower);
    chownSync(upper, lowerRoot.uid, lowerRoot.gid);
    await runProgram(where, 'mount', [
      '-n',
      '-t',
      'overlay',
      '-o',
      `lowerdir=${[lower, ...(at === '/' ? below : [])].join(':')},upperdir=${upper},workdir=${work}`,
      'layerswarm',
      folder,
    ]);
    cleanup.add(async () => {
      await runProgram(where, 'umount', [folder]);
    });
    folders.push({ at, folder });
  }
  const tree = new GuestTree(folders[0]!.folder);
  for (const { at, folder } of folders.slice(1)) tree.add(at, folder);
  if (adapt) writeAdaptation(tree);
  return { folders, tree };
}

/** The paths are free of links, as `adaptationEntries` made them; nothing else writes here yet. */
function writeAdaptation(tree: GuestTree): void {
  for (const entry of adaptationEntries(tree, false)) {
    const path = tree.hostPath(entry.path);
    if (entry.type === 'directory') {
      makeFoldersSync(path);
      continue;
    }
    rmSync(path, { force: true });
    if (entry.type === 'file') writeFileSync(path, entry.content, { mode: entry.mode, flag: 'wx' });
    else symlinkSync(entry.target, path);
  }
}
