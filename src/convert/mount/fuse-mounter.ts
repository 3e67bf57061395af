import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFoldersSync } from '../../folders.ts';
import { mountsBelow } from '../cleanup.ts';
import { ExtFileSystem } from '../ext/ext-file-system.ts';
import { FileSource, WindowSource } from '../header/byte-source.ts';
import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';
import type { Program } from '../program/find-programs.ts';
import { runProgram, startDaemon, type Surroundings } from '../program/run-program.ts';
import type { ReadVolume, Mounter, MounterOptions, MountedTree } from './mounter.ts';
import { replayExtJournal } from './replay-journal.ts';
import { isPacked, Unpacker } from './unpacker.ts';

const UNMOUNTED_GRACE_MS = 5_000;

/** Reads ext file systems in a process without privileges in the kernel: needs no root, and a hostile file system no trust. */
export class FuseMounter implements Mounter {
  readonly #options: MounterOptions;
  readonly #unpacker: Unpacker;
  #mounts = 0;

  constructor(options: MounterOptions) {
    this.#options = options;
    this.#unpacker = new Unpacker(options);
  }

  refuses(filesystem: FileSystem): string | undefined {
    if (isPacked(filesystem)) return this.#unpacker.refuses(filesystem.kind);
    return filesystem.kind === 'ext' ? undefined : untrusted(filesystem.kind);
  }

  async mount(volume: Volume, filesystem: FileSystem, _subvolume?: number, at?: string): Promise<MountedTree> {
    if (isPacked(filesystem)) return await this.#unpacker.mount(volume, filesystem, at);
    const { where, signal } = this.#options;
    await replayExtJournal(where, volume, filesystem, signal);
    const path = at ?? join(where.scratch, `tree${this.#mounts++}`);
    makeFoldersSync(path, 0o700);
    // Nothing changes below: what the kernel has asked once it need not ask again.
    const options = [
      'ro',
      'norecovery',
      'fakeroot',
      'kernel_cache',
      'entry_timeout=3600',
      'attr_timeout=3600',
      'negative_timeout=3600',
      ...(volume.offset === 0 ? [] : [`offset=${volume.offset}`]),
    ];
    await serveFuse(this.#options, 'fuse2fs', ['-f', '-o', options.join(','), volume.file, path], path);
    return { path, volume: readable(where, volume) };
  }
}

/** fuse2fs looks through a whole folder for each name in it; where nothing in the file system is unknown, it is read without. */
function readable({ prefix }: Surroundings, { file, offset, size }: Volume): ReadVolume | undefined {
  using source = new FileSource(`${prefix}${file}`, offset + size);
  return ExtFileSystem.open(new WindowSource(source, offset, size)) && { file, offset, size };
}

/** What to do about a file system that only the kernel can read whole, where the user has not said that it may. */
export function untrusted(kind: FileSystem['kind']): string {
  const instead =
    kind === 'xfs'
      ? 'let a virtual machine read it with --backend guestfs, or the kernel, as root with --trust,'
      : 'let it read it, as root with --trust,';
  return `${kind} can only be read by the kernel, which a hostile file system may attack: ${instead} if you know where the disk comes from`;
}

/** Starts a program that serves a file system at `path`, and waits until it does. */
export async function serveFuse(
  { where, cleanup, signal, outlive = false }: MounterOptions,
  program: Program,
  args: readonly string[],
  path: string,
): Promise<void> {
  const daemon = await startDaemon(where, program, args, 'ignore', outlive);
  cleanup.add(async () => {
    if (isMounted(where, path)) {
      await unmountFuse(where, path);
      // It ends by itself then, and takes with it what it started.
      await Promise.race([daemon.ended, delay(UNMOUNTED_GRACE_MS, undefined, { ref: false })]);
    }
    await daemon.stop();
  });
  while (!isMounted(where, path)) {
    if (!daemon.running) throw daemon.failure();
    signal?.throwIfAborted();
    await delay(5);
  }
  if (outlive) daemon.release();
}

async function unmountFuse(where: Surroundings, path: string): Promise<void> {
  if (process.getuid?.() === 0) await runProgram(where, 'umount', ['--lazy', path]);
  else await runProgram(where, 'fusermount3', ['-u', '-z', path]);
}

function isMounted({ prefix }: Surroundings, path: string): boolean {
  // /proc/PID/root → /proc/PID/mountinfo: the mounts of the namespace in which the programs run.
  return mountsBelow(path, prefix === '' ? undefined : prefix.replace(/root$/, 'mountinfo')).includes(path);
}

/** Whether this host lets processes serve file systems. */
export function hasFuse(): boolean {
  return readFileSync('/proc/filesystems', 'utf8').includes('\tfuse\n');
}
