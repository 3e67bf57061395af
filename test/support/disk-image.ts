import { closeSync, copyFileSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { runOk } from './process.ts';
import { tempDir } from './temp-dir.ts';

const MIB = 1024 * 1024;

export interface FileSystemOptions {
  readonly type?: 'ext2' | 'ext3' | 'ext4' | 'xfs' | 'btrfs';
  readonly sizeMiB?: number;
  readonly uuid?: string;
  readonly args?: readonly string[];
}

/** A sparse file. */
export function sparseFile(path: string, bytes: number): string {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, bytes);
  closeSync(fd);
  return path;
}

/** An image of one file system with the files of a folder: ext from mkfs itself, the others through a mount (root). */
export async function makeFileSystem(cleanup: Cleanup, tree: string | undefined, { type = 'ext4', sizeMiB = type === 'ext4' ? 48 : type === 'xfs' ? 320 : 128, uuid, args = [] }: FileSystemOptions = {}): Promise<string> {
  const image = sparseFile(join(tempDir(cleanup, 'fs'), 'fs.raw'), sizeMiB * MIB);
  const isExt = type.startsWith('ext');
  const flags = isExt
    ? ['-q', '-F', ...(uuid === undefined ? [] : ['-U', uuid]), ...(tree === undefined ? [] : ['-d', tree])]
    : type === 'xfs' ? ['-q', ...(uuid === undefined ? [] : ['-m', `uuid=${uuid}`])] : ['-q', ...(uuid === undefined ? [] : ['-U', uuid])];
  await runOk(`mkfs.${type}`, [...flags, ...args, image]);
  if (!isExt && tree !== undefined) await inMounted(image, type, 'cp -a "$1"/. .', [tree]);
  return image;
}

/** Runs a shell script in the mounted image, in a mount namespace of its own: whatever happens, no mount stays. */
export async function inMounted(image: string, type: string, script: string, args: readonly string[] = [], options = 'loop'): Promise<string> {
  const mounted = 'mount -t "$1" -o "$2" "$3" /mnt; shift 3; cd /mnt; ';
  const { stdout } = await runOk('unshare', ['--mount', '--propagation', 'private', 'sh', '-euc', `${mounted}${script}`, 'sh', type, options, image, ...args]);
  return stdout;
}

export interface PartitionSpec {
  /** A file whose bytes become the partition. */
  readonly image: string;
  readonly sizeMiB: number;
  /** As sfdisk takes it: a GUID or a hexadecimal number. */
  readonly type?: string;
  readonly name?: string;
}

export interface DiskOptions {
  readonly table?: 'gpt' | 'dos';
  /** Lines for sfdisk instead of one for each partition, in order; MiB offsets of the partitions then. */
  readonly script?: { readonly lines: readonly string[]; readonly offsetsMiB: readonly number[] };
}

/** A raw disk with partitions from 1 MiB on. */
export async function makeDisk(cleanup: Cleanup, partitions: readonly PartitionSpec[], { table = 'gpt', script }: DiskOptions = {}): Promise<string> {
  const offsets = script?.offsetsMiB ?? partitions.map((_, i) => 1 + partitions.slice(0, i).reduce((sum, { sizeMiB }) => sum + sizeMiB, 0));
  const end = Math.max(...partitions.map(({ sizeMiB }, i) => offsets[i]! + sizeMiB));
  const disk = sparseFile(join(tempDir(cleanup, 'disk'), 'disk.raw'), (end + 2) * MIB);
  const lines = script?.lines ?? partitions.map(({ sizeMiB, type = table === 'gpt' ? '0FC63DAF-8483-4772-8E79-3D69D8477DE4' : '83', name }, i) =>
    `start=${offsets[i]}MiB, size=${sizeMiB}MiB, type=${type}${name === undefined ? '' : `, name="${name}"`}`);
  await runOk('sfdisk', ['-q', disk], { input: [`label: ${table}`, ...lines, ''].join('\n') });
  for (const [i, { image }] of partitions.entries()) await copyInto(image, disk, offsets[i]! * MIB);
  return disk;
}

/** Copies a file into another one, leaving holes. */
export async function copyInto(source: string, target: string, offset: number): Promise<void> {
  await runOk('dd', [`if=${source}`, `of=${target}`, 'bs=1M', `seek=${offset}`, 'oflag=seek_bytes', 'conv=notrunc,sparse', 'status=none']);
}

/** A copy of a raw disk in another format. */
export async function toFormat(cleanup: Cleanup, disk: string, format: string, options: readonly string[] = [], name = `disk.${format}`): Promise<string> {
  const file = join(tempDir(cleanup, 'img'), name);
  await runOk('qemu-img', ['convert', '-f', 'raw', '-O', format, ...options, disk, file], { deadline: 600_000 });
  return file;
}

/** A copy of a file beside nothing else. */
export function copyOf(cleanup: Cleanup, file: string, name: string): string {
  const copy = join(tempDir(cleanup, 'copy'), name);
  copyFileSync(file, copy);
  return copy;
}
