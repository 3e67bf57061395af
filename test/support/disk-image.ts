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
export async function makeFileSystem(
  cleanup: Cleanup,
  tree: string | undefined,
  { type = 'ext4', sizeMiB = type === 'ext4' ? 8 : type === 'xfs' ? 320 : 128, uuid, args = [] }: FileSystemOptions = {},
): Promise<string> {
  const image = sparseFile(join(tempDir(cleanup, 'fs'), 'fs.raw'), sizeMiB * MIB);
  const isExt = type.startsWith('ext');
  const flags = isExt
    ? ['-q', '-F', ...(uuid === undefined ? [] : ['-U', uuid]), ...(tree === undefined ? [] : ['-d', tree])]
    : type === 'xfs'
      ? ['-q', ...(uuid === undefined ? [] : ['-m', `uuid=${uuid}`])]
      : ['-q', ...(uuid === undefined ? [] : ['-U', uuid])];
  await runOk(`mkfs.${type}`, [...flags, ...args, image]);
  if (!isExt && tree !== undefined) await inMounted(image, type, 'cp -a "$1"/. .', [tree]);
  return image;
}

/** Runs a shell script in the mounted image, in a mount namespace of its own: whatever happens, no mount stays. */
export async function inMounted(
  image: string,
  type: string,
  script: string,
  args: readonly string[] = [],
  options = 'loop',
): Promise<string> {
  const mounted = 'mount -t "$1" -o "$2" "$3" /mnt; shift 3; cd /mnt; ';
  const { stdout } = await runOk('unshare', [
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-euc',
    `${mounted}${script}`,
    'sh',
    type,
    options,
    image,
    ...args,
  ]);
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
export async function makeDisk(
  cleanup: Cleanup,
  partitions: readonly PartitionSpec[],
  { table = 'gpt', script }: DiskOptions = {},
): Promise<string> {
  const offsets = script?.offsetsMiB ?? partitions.map((_, i) => 1 + partitions.slice(0, i).reduce((sum, { sizeMiB }) => sum + sizeMiB, 0));
  const end = Math.max(...partitions.map(({ sizeMiB }, i) => offsets[i]! + sizeMiB));
  const disk = sparseFile(join(tempDir(cleanup, 'disk'), 'disk.raw'), (end + 2) * MIB);
  const lines =
    script?.lines ??
    partitions.map(
      ({ sizeMiB, type = table === 'gpt' ? '0FC63DAF-8483-4772-8E79-3D69D8477DE4' : '83', name }, i) =>
        `start=${offsets[i]}MiB, size=${sizeMiB}MiB, type=${type}${name === undefined ? '' : `, name="${name}"`}`,
    );
  await runOk('sfdisk', ['-q', disk], { input: [`label: ${table}`, ...lines, ''].join('\n') });
  for (const [i, { image }] of partitions.entries()) await copyInto(image, disk, offsets[i]! * MIB);
  return disk;
}

/** Copies a file into another one, leaving holes. */
export async function copyInto(source: string, target: string, offset: number): Promise<void> {
  await runOk('dd', [`if=${source}`, `of=${target}`, 'bs=1M', `seek=${offset}`, 'oflag=seek_bytes', 'conv=notrunc,sparse', 'status=none']);
}

/** A copy of a raw disk in another format. */
export async function toFormat(
  cleanup: Cleanup,
  disk: string,
  format: string,
  options: readonly string[] = [],
  name = `disk.${format}`,
): Promise<string> {
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

/** A script for `inMounted`: everything that a tree can hold and a layer must keep, in a folder `odd`. */
export const ODD_THINGS = String.raw`
mkdir -p odd; cd odd
cp /bin/dash setuid; chmod 4755 setuid; cp /bin/dash setgid; chmod 2755 setgid
mkdir sticky private; chmod 1777 sticky; chmod 700 private; chown 12:34 private
cp /bin/dash capable; setcap cap_net_raw+ep capable
echo acl > acl; setfacl -m u:1000:rw,g:2000:r acl; mkdir default; setfacl -d -m u:1000:rwx default
echo x > attribute; setfattr -n user.note -v "a b" attribute
echo linked > link1; ln link1 link2; mkdir deep; ln link1 deep/link3; ln -s /etc/passwd absolute; ln -s ../../../../../etc/shadow up; ln -s nowhere dangling
echo big > bigid; chown 4000000000:4000000001 bigid
printf x > "$(printf '\377\376latin')"; printf x > "$(printf 'new\nline')"; printf x > -dash; printf x > ' space '; printf x > 'quo"te\back*[a]?'
long=$(printf 'n%.0s' $(seq 200)); mkdir -p "$long/$long"; printf x > "$long/$long/$long"; ln "$long/$long/$long" "$long/hard"; ln -s "$long/$long/$long" symlong
printf x > y2100; touch -d '2100-01-01 00:00:00.123456789 UTC' y2100; printf x > nano; touch -d '2020-02-02 02:02:02.987654321 UTC' nano
mknod null c 1 3; mknod block b 7 0; mkfifo fifo; truncate -s 3M sparse; printf end >> sparse; printf '' > empty; chmod 000 empty
`;
