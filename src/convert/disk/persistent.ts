import { existsSync, readdirSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { makeFoldersSync } from '../../folders.ts';
import { chooseBackend, hostAbilities } from '../backend.ts';
import { Cleanup, findScratch, keepScratch, makeScratch, dismantle } from '../cleanup.ts';
import { FileSource } from '../header/byte-source.ts';
import { unlockVolumes } from '../luks/unlock-volumes.ts';
import { diskFileName, findVolumes, type DiskImage } from '../map/find-volumes.ts';
import { fileNames, mapByExport } from '../map/map-by-export.ts';
import type { MappedDisk, Volume } from '../map/volume.ts';
import { FuseMounter } from '../mount/fuse-mounter.ts';
import { GuestMounter } from '../mount/guest-mounter.ts';
import { LoopMounter } from '../mount/loop-mounter.ts';
import { MountOnce } from '../mount/mount-once.ts';
import { runProgram } from '../program/run-program.ts';
import { requirePrograms } from '../program/find-programs.ts';
import { hostSurroundings } from '../program/surroundings.ts';
import { assemble } from '../root/assemble.ts';
import { findRoot } from '../root/find-root.ts';
import { readOsRelease, systemName } from '../root/os-release.ts';
import { openSources } from '../source/open-source.ts';
import type { OpenOptions } from '../open-system.ts';

export interface MapReceipt {
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly file: string; readonly size: number }[];
  readonly unreadable: readonly string[];
}

export interface MountReceipt {
  readonly folder: string;
  readonly system: string;
  readonly root: string;
  readonly notes: readonly string[];
}

/**
 * First command: shows the virtual disk and each partition and logical volume in it as files of `folder`, without copying, until
 * `unmountDisk`. What is written to them goes to a throw-away overlay.
 */
export async function mapDisk(image: string, folder: string, options: OpenOptions): Promise<MapReceipt> {
  requirePrograms(['qemu-storage-daemon', 'qemu-img', 'setpriv', 'fusermount3']);
  const cleanup = new Cleanup();
  try {
    const target = emptyFolder(folder, cleanup);
    const scratch = await makeScratch(cleanup, options.scratch);
    keepScratch(scratch, target);
    const where = hostSurroundings(scratch);
    const { volumes, disks, unreadable, daemons } = await mapByExport(await openSources(image, where, options, cleanup), {
      where,
      folder: target,
      cleanup,
      outlive: true,
    });
    for (const daemon of daemons) daemon.release();
    return { folder: target, files: [...disks, ...volumes].map(({ name, file, size }) => ({ name, file, size })), unreadable };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Second command: shows the system in a mapped folder, or straight from a disk image, as one read-only folder until `unmountDisk`.
 * @param source a folder that `mapDisk` made, or a disk image
 */
export async function mountDisk(source: string, folder: string, options: OpenOptions): Promise<MountReceipt> {
  const root = process.getuid?.() === 0;
  const trust = options.trust ?? false;
  const stat = statSync(source, { throwIfNoEntry: false });
  if (stat === undefined) throw new LayerswarmError('not-found', `there is no disk image or mapped folder ${JSON.stringify(source)}`);
  const cleanup = new Cleanup();
  const notes: string[] = [];
  const note = (line: string): void => {
    notes.push(line);
    options.onNote?.(line);
  };
  try {
    const target = emptyFolder(folder, cleanup);
    chooseBackend(
      {
        wanted: trust && options.backend !== 'guestfs' ? 'loop' : options.backend === 'raw' ? undefined : options.backend,
        trust,
        compressed: false,
      },
      hostAbilities(),
    );
    const scratch = await makeScratch(cleanup, options.scratch);
    keepScratch(scratch, target);
    const where = hostSurroundings(scratch);
    let disk: MappedDisk;
    if (stat.isDirectory()) {
      disk = mappedFolder(realpathSync(source));
    } else {
      const mapped = await mapByExport(await openSources(source, where, options, cleanup), {
        where,
        folder: scratch,
        cleanup,
        outlive: true,
      });
      for (const daemon of mapped.daemons) daemon.release();
      disk = mapped;
    }
    disk = await unlockVolumes(disk, { where, keyFiles: options.keyFiles ?? [], signal: options.signal });
    const context = { where, cleanup, signal: options.signal, outlive: true };
    const byKernel = root && (trust || options.backend === 'loop');
    const plain =
      options.backend === 'guestfs' ? new GuestMounter(context) : byKernel ? new LoopMounter(context, trust) : new FuseMounter(context);
    const find = { where, mounter: new MountOnce(plain), wanted: options.root, note, signal: options.signal };
    const found = await findRoot(disk, find);
    const { folders, tree: assembled } = await assemble(found, find);
    const { root: candidate } = found;
    if (candidate.made === true) note('there is no root on the disk, and a /usr that needs none: the folder shows /usr alone');
    if (candidate.deployment === undefined)
      await plain.mount(candidate.source.volume, candidate.source.filesystem, candidate.subvolume?.id, target);
    else if (root) await runProgram(where, 'mount', ['-n', '--bind', '-o', 'ro', candidate.folder, target]);
    else throw new LayerswarmError('denied', 'only root may show a deployment of ostree as a folder: run as root');
    for (const { at, folder: tree } of candidate.made === true ? [] : folders.slice(1).filter(({ made }) => made !== true)) {
      // The root's tree is read-only and `at` is free of links: nothing can lead this mount elsewhere.
      if (root) await runProgram(where, 'mount', ['-n', '--bind', tree, `${target}${at}`]);
      else note(`${at} is empty in the folder: only root may put another file system there`);
    }
    return { folder: target, system: systemName(readOsRelease(assembled)), root: candidate.name, notes };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Takes away what `mapDisk` or `mountDisk` put into a folder.
 * @param scratchParent the folder for temporary files that they were given
 */
export async function unmountDisk(folder: string, scratchParent?: string): Promise<void> {
  // Not realpath: a dead mount cannot be looked at.
  const target = resolve(folder);
  const scratch = findScratch(target, scratchParent);
  if (scratch.length === 0)
    throw new LayerswarmError('not-found', `nothing of layerswarm's is mapped or mounted at ${JSON.stringify(folder)}`);
  for (const found of scratch) await dismantle(found);
}

/** Made where it is missing; what was made for it goes with the cleanup. */
function emptyFolder(folder: string, cleanup: Cleanup): string {
  const made = makeFoldersSync(folder);
  const target = realpathSync(folder);
  for (const path of made.map((path) => realpathSync(path))) cleanup.add(() => rmdirSync(path));
  if (existsSync(target) && readdirSync(target).length > 0) throw new LayerswarmError('usage', `${JSON.stringify(folder)} is not empty`);
  return target;
}

/** The files that `mapDisk` made, found by reading the virtual disk's tables once more. */
function mappedFolder(folder: string): MappedDisk {
  if (!existsSync(join(folder, diskFileName(0))))
    throw new LayerswarmError('usage', `${JSON.stringify(folder)} is not a folder that "layerswarm disk map" made`);
  using sources = new DisposableStack();
  const disks: Volume[] = [];
  const images: DiskImage[] = [];
  for (let i = 0; existsSync(join(folder, diskFileName(i))); i++) {
    const path = join(folder, diskFileName(i));
    const source = sources.use(new FileSource(path));
    disks.push({ name: diskFileName(i), file: path, offset: 0, size: source.size });
    images.push({ source, sectorSize: undefined });
  }
  const plan = findVolumes(images);
  const files = fileNames(plan.volumes.map(({ name }) => name));
  const volumes = plan.volumes.map((volume, i): Volume => {
    const { extents: _, ...rest } = volume;
    const path = join(folder, files[i]!);
    return { ...rest, file: path, offset: 0, size: statSync(path).size };
  });
  return { disks, volumes, unreadable: plan.unreadable, warnings: plan.warnings };
}
