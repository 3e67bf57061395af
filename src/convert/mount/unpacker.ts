import { mkdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { formatBytes } from '../../quantity.ts';
import { ErofsTree } from '../erofs/erofs-tree.ts';
import type { FileSystem } from '../filesystem/probe.ts';
import { FileSource, WindowSource } from '../header/byte-source.ts';
import type { Volume } from '../map/volume.ts';
import { hasProgram, requirePrograms } from '../program/find-programs.ts';
import { runProgram, type Surroundings } from '../program/run-program.ts';
import { SparseFile } from '../source/sparse-file.ts';
import type { MountedTree, MounterOptions } from './mounter.ts';

/** Less than this left after a failure means that the disk was full. */
const FULL_BYTES = 16 * 1024 * 1024;
const COPY_BYTES = 1024 * 1024;
const PROGRAMS = { squashfs: 'unsquashfs', erofs: 'fsck.erofs' } as const;
type PackedKind = keyof typeof PROGRAMS;

/**
 * Runs a program as root with nothing in sight but the programs of the host, read-only, the file `image` and the folder `tree`, and with no more
 * capabilities than it takes to give files their owners: wherever a hostile file system leads it, it is there already.
 */
const JAIL = `jail=$1 image=$2 tree=$3; shift 3
for folder in /usr /bin /sbin /lib /lib64; do
  if [ -L "$folder" ]; then ln -s "$(readlink "$folder")" "$jail$folder"
  elif [ -d "$folder" ]; then mkdir "$jail$folder"; mount -n --rbind "$folder" "$jail$folder"; mount -n -o remount,bind,ro "$jail$folder"
  fi
done
mkdir "$jail/tree"; : >"$jail/image"
mount -n --bind "$image" "$jail/image"; mount -n -o remount,bind,ro "$jail/image"; mount -n --bind "$tree" "$jail/tree"
exec chroot "$jail" setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+mknod,+setfcap -- "$@"`;

export function isPacked(filesystem: FileSystem): filesystem is FileSystem & { readonly kind: PackedKind } {
  return Object.hasOwn(PROGRAMS, filesystem.kind);
}

/** Unpacks squashfs and erofs into the scratch folder: a hostile file system meets no kernel. Needs root, since what is unpacked has owners. */
export class Unpacker {
  readonly #options: MounterOptions;
  #trees = 0;

  constructor(options: MounterOptions) {
    this.#options = options;
  }

  refuses(kind: PackedKind): string | undefined {
    const program = PROGRAMS[kind];
    if (!hasProgram(program)) return `${kind} is unpacked with ${program}, which is missing: ${missingProgram(kind)}`;
    if (process.getuid?.() !== 0) return `${kind} is unpacked with ${program}, and only root may give files their owners: run as root`;
    return undefined;
  }

  async mount(volume: Volume, filesystem: FileSystem & { readonly kind: PackedKind }, at?: string): Promise<MountedTree> {
    const { where, cleanup } = this.#options;
    const refusal = this.refuses(filesystem.kind);
    if (refusal !== undefined) throw new LayerswarmError('denied', refusal);
    const number = this.#trees++;
    const tree = join(where.scratch, `unpacked${number}`);
    mkdirSync(tree, { mode: 0o755 });
    const unpacked = filesystem.kind === 'erofs' ? await checkErofs(where, volume) : undefined;
    const image = volume.offset === 0 ? volume.file : copyOut(where, volume, join(where.scratch, `packed${number}`));
    await this.#unpack(filesystem.kind, image, tree, join(where.scratch, `jail${number}`));
    if (at !== undefined) {
      await runProgram(where, 'mount', ['-n', '--bind', '-o', 'ro', tree, at]);
      cleanup.add(async () => {
        await runProgram(where, 'umount', ['--lazy', at]);
      });
    }
    return { path: tree, ...(unpacked && { volume: { ...unpacked, unpacked: tree } }) };
  }

  async #unpack(kind: PackedKind, image: string, tree: string, jail: string): Promise<void> {
    const { where, signal } = this.#options;
    requirePrograms(['unshare', 'chroot', 'mount', 'setpriv']);
    mkdirSync(jail, { mode: 0o755 });
    const args =
      kind === 'erofs' ? ['--overwrite', '--extract=/tree', '/image'] : ['-quiet', '-no-progress', '-force', '-dest', '/tree', '/image'];
    try {
      await runProgram(
        where,
        'unshare',
        ['--mount', '--propagation', 'private', 'sh', '-euc', JAIL, 'sh', jail, image, tree, PROGRAMS[kind], ...args],
        { signal },
      );
    } catch (error) {
      const { bavail, bsize } = await statfs(where.scratch);
      if (signal?.aborted !== true && bavail * bsize < FULL_BYTES) throw noSpace(where, error);
      throw error;
    }
  }
}

function missingProgram(kind: PackedKind): string {
  try {
    requirePrograms([PROGRAMS[kind]]);
  } catch (error) {
    if (error instanceof LayerswarmError) return error.message;
  }
  return '';
}

/** Looks over all names, and how much it will be, before anything is written: a program then meets no name that leads out, and no folder twice. */
async function checkErofs(
  { scratch, prefix }: Surroundings,
  { file, offset, size }: Volume,
): Promise<{ file: string; offset: number; size: number }> {
  using source = new FileSource(`${prefix}${file}`, offset + size);
  const tree = ErofsTree.open(new WindowSource(source, offset, size), '/');
  if (tree === undefined)
    throw new LayerswarmError(
      'unsupported',
      'the erofs file system has features that are not known here: let the kernel read it, as root with --trust, if you know where the disk comes from',
    );
  let bytes = 0;
  for (const { inode } of tree.walk('', () => false)) if (inode.type === 'f') bytes += inode.size;
  const { bavail, bsize } = await statfs(scratch);
  if (bytes > bavail * bsize)
    throw new LayerswarmError(
      'disk-full',
      `the files of the erofs have ${formatBytes(bytes)}, and ${scratch} has room for ${formatBytes(bavail * bsize)}: use another folder with --scratch`,
    );
  return { file, offset, size };
}

function noSpace({ scratch }: Surroundings, cause: unknown): LayerswarmError {
  return new LayerswarmError('disk-full', `no space left in ${scratch} for what is unpacked: use another folder with --scratch`, { cause });
}

/** fsck.erofs of before 1.8 takes no offset. */
function copyOut({ prefix }: Surroundings, { file, offset, size }: Volume, target: string): string {
  using source = new FileSource(`${prefix}${file}`, offset + size);
  using copy = new SparseFile(target, size);
  for (let done = 0; done < size; done += COPY_BYTES) copy.write(source.read(offset + done, Math.min(COPY_BYTES, size - done)));
  return target;
}
