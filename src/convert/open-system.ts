import { readFileSync } from 'node:fs';
import { LayerswarmError } from '../errors.ts';
import { chooseBackend, hostAbilities, type Backend, type BackendName } from './backend.ts';
import { makeScratch, type Cleanup } from './cleanup.ts';
import { unlockVolumes } from './luks/unlock-volumes.ts';
import type { DiskFile } from './map/disk-file.ts';
import type { Surroundings } from './program/run-program.ts';
import { hostSurroundings, privateSurroundings } from './program/surroundings.ts';
import { assemble, type Assembled } from './root/assemble.ts';
import type { Candidate } from './root/candidate.ts';
import { findRoot } from './root/find-root.ts';
import { openSources, type SourceOptions } from './source/open-source.ts';

export interface OpenOptions extends SourceOptions {
  readonly backend?: BackendName | undefined;
  /** Lets the kernel read the disk's file systems. */
  readonly trust?: boolean | undefined;
  /** Which root, where several are there: `p2`, `vg/root`, `p3:@`. */
  readonly root?: string | undefined;
  /** Files with the passphrases of LUKS volumes. */
  readonly keyFiles?: readonly string[] | undefined;
  /** Folder for temporary files; the system's own otherwise. */
  readonly scratch?: string | undefined;
  /** Whether other processes of the host have to see the mounts. */
  readonly visible?: boolean;
}

/** Disk images whose system can be read. It is there until the cleanup runs. */
export interface OpenSystem extends Assembled {
  /** The disk with the system first. */
  readonly files: readonly DiskFile[];
  readonly backend: Backend;
  readonly where: Surroundings;
  readonly root: Candidate;
}

/** Maps a machine's disk images, mounts what is in them, and puts its system together. */
export async function openSystem(image: string, options: OpenOptions, cleanup: Cleanup): Promise<OpenSystem> {
  const { signal, onNote = () => undefined } = options;
  checkUserNamespace(readFileSync('/proc/self/uid_map', 'utf8'));
  signal?.throwIfAborted();
  const scratch = await makeScratch(cleanup, options.scratch);
  const where = await surroundings(scratch, options.visible ?? false, cleanup);
  const files = await openSources(image, where, options, cleanup);
  const backend = chooseBackend(
    { wanted: options.backend, trust: options.trust ?? false, compressed: files.some(({ header }) => header.compressed) },
    hostAbilities(),
  );
  const context = { where, cleanup, signal };
  const disk = await unlockVolumes(await backend.map(files, context), { where, keyFiles: options.keyFiles ?? [], signal });
  const find = { where, mounter: backend.mounter(context), wanted: options.root, note: onNote, signal };
  const found = await findRoot(disk, find);
  const assembled = await assemble(found, find);
  return { ...assembled, files, backend, where, root: found.root };
}

async function surroundings(scratch: string, visible: boolean, cleanup: Cleanup): Promise<Surroundings> {
  const own = visible ? undefined : await privateSurroundings(scratch);
  if (own === undefined) return hostSurroundings(scratch);
  cleanup.add(async () => {
    await own.close();
  });
  return own;
}

/**
 * In a user namespace, such as a rootless container's, the kernel shows owners that it has no number for as 65534: the layer would
 * be wrong without an error.
 * @param map the content of /proc/self/uid_map
 */
export function checkUserNamespace(map: string): void {
  if (/^\s*0\s+0\s+4294967295\s*$/.test(map)) return;
  throw new LayerswarmError(
    'unsupported',
    'this process is in a user namespace (a rootless container?), in which the owners of files are lost: convert on the host itself; it needs no root',
  );
}
