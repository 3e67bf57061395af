import type { ExecutionContext } from 'ava';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cleanup, makeScratch } from '../../src/convert/cleanup.ts';
import { convertDisk, type ConvertOptions, type ConvertReceipt } from '../../src/convert/convert.ts';
import { mapByCopy } from '../../src/convert/map/map-by-copy.ts';
import { hostSurroundings } from '../../src/convert/program/surroundings.ts';
import { openSources } from '../../src/convert/source/open-source.ts';
import { LayerswarmError, type ErrorCode } from '../../src/errors.ts';
import { MAIN } from './cli.ts';
import { runOk } from './process.ts';
import { requireTool } from './require-tool.ts';
import { tempDir } from './temp-dir.ts';

/** What every conversion runs. */
export function requireConversion(t: ExecutionContext, ...more: string[]): boolean {
  return requireTool(t, 'qemu-storage-daemon', 'qemu-img', 'fuse2fs', 'fusermount3', 'e2fsck', 'mkfs.ext4', 'sfdisk', ...more);
}

/** Those that need no virtual machine. */
export const BACKENDS = ['fuse', 'loop', 'raw'] as const;

/** What runs a program as a user without rights. */
export const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] as const;

/** The command line's `convert` to a layer tarball as such a user, whose only folder is `folder`: for `run`, and for `runOk`. */
export function conversionByNobody(
  disk: string,
  output: string,
  folder: string,
  env: NodeJS.ProcessEnv = {},
): [file: string, args: string[], options: { env: NodeJS.ProcessEnv }] {
  const [file, ...user] = AS_NOBODY;
  const args = [...user, process.execPath, MAIN, 'convert', disk, '--output', `tar:${output}`, '--scratch', folder];
  return [file, args, { env: { ...env, HOME: folder, TMPDIR: folder } }];
}

export interface Converted extends ConvertReceipt {
  readonly file: string;
  /** Digest of the layer, uncompressed. */
  readonly diffId: string;
}

/** Converts a disk to a layer tarball, and looks whether anything is left behind. */
export async function convertToTar(t: ExecutionContext, disk: string, options: ConvertOptions = {}): Promise<Converted> {
  const dir = tempDir(t, 'out');
  const file = join(dir, 'layer.tar');
  const receipt = await withoutLeaks(t, (scratch) => convertDisk(disk, { kind: 'tar', file }, { scratch, ...options }));
  return { ...receipt, file, diffId: receipt.layers[0]!.diffId.toString() };
}

/** Digest of the bytes of the virtual disk in a file: where they are the same, so is all that is made of them, in a fraction of the time. */
export async function virtualDiskDigest(t: ExecutionContext, disk: string, options: ConvertOptions = {}): Promise<string> {
  return await withoutLeaks(t, async (scratch) => {
    await using cleanup = new Cleanup();
    const where = hostSurroundings(await makeScratch(cleanup, scratch));
    const { disks } = await mapByCopy(await openSources(disk, where, options, cleanup), where, undefined);
    return await sha256(disks[0]!.file);
  });
}

/** Runs a conversion with a scratch folder of its own, which must be empty at the end. */
export async function withoutLeaks<T>(t: ExecutionContext, work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = tempDir(t, 'scr');
  try {
    return await work(scratch);
  } finally {
    t.deepEqual(leftovers(scratch), [], 'something was left behind');
  }
}

/** Files, mounts, loop devices and processes that belong to a scratch folder. */
export function leftovers(scratch: string): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(scratch));
  const loops = readdirSync('/sys/block').flatMap((name) => {
    const backing = read(`/sys/block/${name}/loop/backing_file`);
    return backing.includes(scratch) ? [`${name}: ${backing}`] : [];
  });
  const processes = readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/environ`).includes(`LAYERSWARM_SCRATCH=${scratch}`),
  );
  return [...readdirSync(scratch), ...mounts, ...loops, ...processes.map((pid) => `process ${pid}: ${read(`/proc/${pid}/cmdline`)}`)];
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // Not a loop device in use, or a process that has ended.
  }
}

/** A conversion that must fail, with one line, and leave nothing: no output, mount or process. */
export async function refused(
  t: ExecutionContext,
  disk: string,
  code: ErrorCode,
  message: RegExp,
  options: ConvertOptions = {},
): Promise<void> {
  const dir = tempDir(t, 'out');
  const error = await t.throwsAsync(
    withoutLeaks(t, (scratch) => convertDisk(disk, { kind: 'tar', file: join(dir, 'layer.tar') }, { scratch, ...options })),
    { instanceOf: LayerswarmError, message },
  );
  t.is(error?.code, code, error?.message);
  t.deepEqual(readdirSync(dir), []);
}

/** Names in a tar archive as GNU tar lists them, escaped. */
export async function listTar(file: string): Promise<string[]> {
  const { stdout } = await runOk('tar', ['--list', '--quoting-style=c', `--file=${file}`]);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(
      (line) =>
        JSON.parse(
          line.replaceAll(/\\(\d{3})/g, (_, octal: string) => `\\u00${Number.parseInt(octal, 8).toString(16).padStart(2, '0')}`),
        ) as string,
    );
}

export async function readFromTar(file: string, name: string): Promise<string> {
  return (await runOk('tar', ['--extract', '--to-stdout', `--file=${file}`, name])).stdout;
}

/** Unpacks with everything that tar can restore (root). */
export async function unpack(t: ExecutionContext, file: string): Promise<string> {
  const dir = join(tempDir(t, 'tree'), 'tree');
  mkdirSync(dir);
  await runOk('tar', [
    '--extract',
    '--xattrs',
    '--xattrs-include=*',
    '--same-owner',
    '--preserve-permissions',
    '--numeric-owner',
    `--directory=${dir}`,
    `--file=${file}`,
  ]);
  return dir;
}

/**
 * A shell script that prints everything about the tree of its working directory but sub-second times, link counts of folders and
 * lost+found: type, mode, owner, size, time, links, target, contents, attributes.
 */
export const DESCRIBE = String.raw`export LC_ALL=C
  { find . -name lost+found -prune -o -type d -printf '%y %m %U %G - - %.10T@ %p\0' -o -printf '%y %m %U %G %s %n %.10T@ %l %p\0'
    find . -type f -print0 | sort -z | xargs -0 -r sha256sum -z
    find . -print0 | sort -z | xargs -0 -r getfattr -h -d -m '^(user|security.capability|system.posix_acl)' -e hex -- ; } | sort -z | tr '\0' '\n'`;

export async function describeTree(dir: string): Promise<string> {
  return (await runOk('sh', ['-euc', `cd "$1"; ${DESCRIBE}`, 'sh', dir])).stdout;
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
