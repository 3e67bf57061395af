import { InvalidArgumentError, Option, type Command } from 'commander';
import { BACKENDS, type BackendName } from '../convert/backend.ts';
import type { ConvertOptions, ConvertProgress } from '../convert/convert.ts';
import { DISK_FORMATS, type DiskFormat } from '../convert/header/disk-header.ts';
import type { OpenOptions } from '../convert/open-system.ts';
import { COMPRESSIONS, type Compression } from '../convert/pack/pack-layer.ts';
import { KEEPABLE, type Keepable } from '../convert/pack/strip.ts';
import { formatBytes, parseSize } from '../quantity.ts';

/** As commander gives them. */
export interface DiskFlags {
  readonly format?: DiskFormat;
  readonly backing: readonly string[];
  readonly disk: readonly string[];
  readonly keyFile: readonly string[];
  readonly extents: readonly string[];
  readonly member?: string;
  readonly maxDiskSize?: number;
  readonly liveSource?: boolean;
  readonly root?: string;
  readonly trust?: boolean;
  readonly backend?: BackendName;
  readonly scratch?: string;
}

export interface ImageFlags {
  readonly adapt: boolean;
  readonly keep: readonly Keepable[];
  readonly exclude: readonly string[];
  readonly compression?: Compression;
  readonly sourceDigest: boolean;
}

/** Options of every command that reads a disk image. */
export function addDiskOptions(command: Command): Command {
  return command
    .addOption(new Option('--format <format>', "the disk's format, where its content could be more than one").choices(DISK_FORMATS))
    .option('--root <name>', 'which file system is the root, where several could be: p2, group/volume, p3:@')
    .option('--trust', "let the kernel read the disk's file systems: needs root; faster, and for btrfs the only way")
    .addOption(new Option('--backend <backend>', 'how to read the disk; chosen by what the host has otherwise').choices(BACKENDS))
    .option(
      '--disk <file>',
      'a further disk of the same machine, such as its /home or the rest of its volume group; for each, in their order',
      collect,
      [],
    )
    .option('--key-file <file>', 'a file with the passphrase of a LUKS volume, as cryptsetup takes it; for each', collect, [])
    .option('--backing <file>', 'a file that the disk is the difference to; for each of the chain, nearest first', collect, [])
    .option('--extents <file>', 'an extent of a split VMDK that is not in its folder; for each', collect, [])
    .option('--member <name>', 'which file of an archive is the disk, where several could be')
    .option('--max-disk-size <size>', 'refuse larger virtual disks, such as 30T (default: 16 TiB)', parseBytes)
    .option('--live-source', 'read a disk that is in use: what is written meanwhile may be torn')
    .option('--scratch <dir>', 'folder for temporary files');
}

/** Options of every command that makes an image of a disk. */
export function addImageOptions(command: Command): Command {
  return command
    .option('--no-adapt', 'leave out the layer with which systemd comes up in a container')
    .option('--keep <what>', `keep what is left out by default, comma-separated: ${KEEPABLE.join(', ')}`, collectKeep, [])
    .option('--exclude <path>', 'leave out a path of the guest; * matches anything', collect, [])
    .option('--no-source-digest', "do not put the disk file's digest into the image: saves reading it once more");
}

export function compressionOption(): Option {
  return new Option('--compression <how>', 'of the layers (default: gzip; none for tar:)').choices(COMPRESSIONS);
}

export function openOptions({ disk: moreDisks, keyFile: keyFiles, ...flags }: DiskFlags): OpenOptions {
  return { ...flags, moreDisks, keyFiles };
}

export function convertOptions(flags: DiskFlags & ImageFlags): ConvertOptions {
  return { ...flags, ...openOptions(flags), keep: new Set(flags.keep), sourceDateEpoch: process.env['SOURCE_DATE_EPOCH'] };
}

const BAR_WIDTH = 32;
const PLAIN_STEP = 0.1;

/** One bar that moves on a terminal; elsewhere a line for each tenth. */
export function convertProgress(stream: NodeJS.WriteStream): {
  show: (progress: ConvertProgress) => void;
  unpack: (bytes: number, total: number) => void;
  end: () => void;
} {
  let next = PLAIN_STEP;
  let last = 0;
  let shown = false;
  const draw = (done: string, { bytes, estimatedBytes }: ConvertProgress): void => {
    // What comes after, such as packing after reading, begins anew.
    if (bytes < last) next = PLAIN_STEP;
    last = bytes;
    const share = estimatedBytes === 0 ? 1 : Math.min(1, bytes / estimatedBytes);
    const numbers = `${formatBytes(bytes)} of ${bytes === estimatedBytes ? '' : 'about '}${formatBytes(estimatedBytes)}`;
    if (stream.isTTY) {
      const filled = Math.round(share * BAR_WIDTH);
      stream.write(`\r\x1b[2K[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${numbers}`);
      shown = true;
    } else if (share >= next) {
      next = Math.floor(share / PLAIN_STEP) * PLAIN_STEP + PLAIN_STEP;
      stream.write(`${done} ${numbers}\n`);
    }
  };
  return {
    show: (progress) => {
      draw('packed', progress);
    },
    unpack: (bytes, total) => {
      draw('read', { bytes, estimatedBytes: total });
    },
    end() {
      if (shown) stream.write('\n');
      shown = false;
    },
  };
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function collectKeep(value: string, before: readonly Keepable[]): Keepable[] {
  const names = value.split(',');
  const unknown = names.find((name) => !(KEEPABLE as readonly string[]).includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${KEEPABLE.join(', ')}.`);
  return [...before, ...(names as Keepable[])];
}

function parseBytes(value: string): number {
  const bytes = parseSize(value);
  if (bytes === undefined || bytes === 0) throw new InvalidArgumentError('Expected a size such as 500G or 30TiB.');
  return bytes;
}
