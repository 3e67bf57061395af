import { LayerswarmError } from '../../errors.ts';
import { formatBytes } from '../../quantity.ts';
import type { FileSystem } from '../filesystem/probe.ts';
import type { Volume } from '../map/volume.ts';

/** Errors that are a part of the disk's own, and not those of this host or of the person. */
const OF_THE_DISK = new Set(['unsupported', 'size-mismatch', 'internal']);

/** More bytes than its volume has: the disk was cut short, or the others that it is spread over are missing. */
export function incomplete({ name, size }: Volume, filesystem: FileSystem): LayerswarmError | undefined {
  if (filesystem.devices !== undefined)
    return new LayerswarmError(
      'unsupported',
      `the btrfs file system of ${name} is spread over ${filesystem.devices} devices, which are not put together here: mount it where it came from, and seed its files (layerswarm seed tar:FILE)`,
    );
  if (filesystem.size <= size) return undefined;
  return new LayerswarmError(
    'size-mismatch',
    `the disk is cut short: the ${filesystem.kind} file system of ${name} has ${formatBytes(filesystem.size)}, and the last ${formatBytes(filesystem.size - size)} of it are not there; copy it again`,
  );
}

/**
 * Turns what a program said of a file system that it cannot read into an error that names the volume, why, and what to do.
 * @throws the error itself where it says nothing of the disk, such as an interruption or a program that was killed
 */
export function unreadable({ name }: Volume, { kind }: FileSystem, error: unknown): LayerswarmError {
  if (!(error instanceof LayerswarmError) || !OF_THE_DISK.has(error.code) || (error.detail?.['killedBy'] ?? null) !== null) throw error;
  const { program, said, damage } = error.detail ?? {};
  if (typeof damage === 'string')
    return new LayerswarmError(
      'unsupported',
      `the ${kind} file system of ${name} is damaged: ${damage}; repair it where it came from (e2fsck -f)`,
      { cause: error },
    );
  if (typeof program !== 'string' || typeof said !== 'string') return error;
  const next =
    kind === 'ext'
      ? 'repair it where it came from (e2fsck -f), or let a newer kernel read it: as root with --trust, or in a virtual machine with --backend guestfs'
      : kind === 'xfs' || kind === 'btrfs'
        ? `repair it where it came from (${kind === 'xfs' ? 'xfs_repair' : 'btrfs check'})`
        : 'copy it again';
  return new LayerswarmError(
    'unsupported',
    `the ${kind} file system of ${name} cannot be read: it is damaged, or newer than the programs here; ${next} (${program} says: ${words(said)})`,
    { cause: error },
  );
}

/** Without the file's name, which is one of ours, and without advice for it. */
function words(said: string): string {
  const lines = said.split('; ').filter((line) => !/^(?:Mounting read-only|Please run e2fsck)/.test(line));
  return lines.map((line) => line.replace(/^\/\S*: /, '')).join('; ') || 'nothing';
}

/** What to throw where no root was found and parts of the disk could not be read: the root may be one of them. */
export function noRootBut(broken: readonly LayerswarmError[]): LayerswarmError | undefined {
  const [first, ...rest] = broken;
  if (first === undefined) return undefined;
  return rest.length === 0
    ? first
    : new LayerswarmError(first.code, broken.map(({ message }) => message).join('; also, '), { cause: first });
}
