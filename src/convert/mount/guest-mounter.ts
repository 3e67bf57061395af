import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { makeFoldersSync } from '../../folders.ts';
import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';
import { serveFuse, untrusted } from './fuse-mounter.ts';
import type { Mounter, MountedTree, MounterOptions } from './mounter.ts';
import { replayExtJournal } from './replay-journal.ts';
import { isPacked, Unpacker } from './unpacker.ts';

const MOUNT_TYPES = { ext: 'ext4', xfs: 'xfs' } as const;

/** Reads file systems with the kernel of a virtual machine, by libguestfs: slow, but a hostile one meets no kernel of this host. Needs no root. */
export class GuestMounter implements Mounter {
  readonly #options: MounterOptions;
  readonly #unpacker: Unpacker;
  #mounts = 0;

  constructor(options: MounterOptions) {
    this.#options = options;
    this.#unpacker = new Unpacker(options);
  }

  refuses(filesystem: FileSystem): string | undefined {
    if (isPacked(filesystem)) return this.#unpacker.refuses(filesystem.kind);
    const { kind } = filesystem;
    if (kind === 'ext' || kind === 'xfs') return undefined;
    if (kind !== 'btrfs') return untrusted(kind);
    // Through guestmount all subvolumes are one device: a snapshot could not be told from a folder.
    return 'a virtual machine shows no subvolumes of a btrfs: run as root with --trust if you know where the disk comes from';
  }

  async mount(volume: Volume, filesystem: FileSystem, _subvolume?: number, at?: string): Promise<MountedTree> {
    if (isPacked(filesystem)) return await this.#unpacker.mount(volume, filesystem, at);
    const refusal = this.refuses(filesystem);
    if (refusal !== undefined || (filesystem.kind !== 'ext' && filesystem.kind !== 'xfs'))
      throw new LayerswarmError('denied', refusal ?? filesystem.kind);
    if (volume.offset !== 0)
      throw new LayerswarmError(
        'unsupported',
        `a virtual machine is given whole files, and ${volume.name} is a part of one: leave out --backend`,
      );
    const { where, signal } = this.#options;
    await replayExtJournal(where, volume, filesystem, signal);
    const path = at ?? join(where.scratch, `tree${this.#mounts++}`);
    makeFoldersSync(path, 0o700);
    // The inodes of the disk, or hard links would be files of their own.
    const options = ['use_ino', 'kernel_cache', 'entry_timeout=3600', 'attr_timeout=3600', 'negative_timeout=3600'];
    const args = [
      '--no-fork',
      '--ro',
      '--format=raw',
      '-a',
      volume.file,
      '-m',
      `/dev/sda:/:ro,nodev,nosuid,noexec:${MOUNT_TYPES[filesystem.kind]}`,
      ...options.flatMap((option) => ['-o', option]),
      path,
    ];
    await serveFuse(this.#options, 'guestmount', args, path);
    return { path };
  }
}

/** Whether the host has a kernel that libguestfs can start in a virtual machine: a container often has none. */
export function hasGuestKernel(): boolean {
  return (
    process.env['SUPERMIN_KERNEL'] !== undefined || (existsSync('/boot') && readdirSync('/boot').some((name) => name.startsWith('vmlinuz')))
  );
}
