import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { makeFoldersSync } from '../../folders.ts';
import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';
import { runProgram } from '../program/run-program.ts';
import { untrusted } from './fuse-mounter.ts';
import type { Mounter, MountedTree, MounterOptions } from './mounter.ts';
import { replayExtJournal } from './replay-journal.ts';
import { isPacked, Unpacker } from './unpacker.ts';

/** The kernel's type, never guessed by mount, and what keeps a hostile tree from doing anything but lie there. */
const MOUNT_TYPES = { ext: 'ext4', xfs: 'xfs', btrfs: 'btrfs', squashfs: 'squashfs', erofs: 'erofs' } as const;
const SAFE_OPTIONS = ['ro', 'nodev', 'nosuid', 'noexec'];

/** Reads file systems with the kernel, over a loop device: complete and fast; needs root. */
export class LoopMounter implements Mounter {
  readonly #options: MounterOptions;
  readonly #trust: boolean;
  readonly #unpacker: Unpacker;
  readonly #devices = new Map<string, string>();
  #mounts = 0;

  constructor(options: MounterOptions, trust: boolean) {
    this.#options = options;
    this.#trust = trust;
    this.#unpacker = new Unpacker(options);
  }

  refuses(filesystem: FileSystem): string | undefined {
    if (filesystem.kind === 'ext' || this.#trust) return undefined;
    return isPacked(filesystem) ? this.#unpacker.refuses(filesystem.kind) : untrusted(filesystem.kind);
  }

  async mount(volume: Volume, filesystem: FileSystem, subvolume?: number, at?: string): Promise<MountedTree> {
    const refusal = this.refuses(filesystem);
    if (refusal !== undefined) throw new LayerswarmError('denied', refusal);
    if (isPacked(filesystem) && !this.#trust) return await this.#unpacker.mount(volume, filesystem, at);
    const { where, cleanup, signal } = this.#options;
    await replayExtJournal(where, volume, filesystem, signal);
    const known = this.#devices.get(volume.name);
    const device = known ?? (await this.#attach(volume));
    const path = at ?? join(where.scratch, `tree${this.#mounts++}`);
    makeFoldersSync(path, 0o700);
    const options = [
      ...SAFE_OPTIONS,
      // Another image with the same id may be mounted at this moment.
      ...(filesystem.kind === 'xfs' ? ['nouuid'] : []),
      ...(subvolume === undefined ? [] : [`subvolid=${subvolume}`]),
    ];
    try {
      await runProgram(where, 'mount', ['-n', '-t', MOUNT_TYPES[filesystem.kind], '-o', options.join(','), device, path], { signal });
    } finally {
      // From here on the kernel itself gives the device free, at the last unmount: also when this process is killed.
      if (known === undefined) await runProgram(where, 'losetup', ['--detach', device]);
    }
    this.#devices.set(volume.name, device);
    cleanup.add(async () => {
      await runProgram(where, 'umount', [path]);
    });
    return { path };
  }

  /** Writable, since the kernel replays the logs of xfs and btrfs onto the overlay. The subvolumes of a btrfs share one device. */
  async #attach({ file, offset, size }: Volume): Promise<string> {
    const { where, signal } = this.#options;
    const output = await runProgram(where, 'losetup', ['--show', '--find', '--offset', String(offset), '--sizelimit', String(size), file], {
      signal,
    });
    return output.toString('utf8').trim();
  }
}
