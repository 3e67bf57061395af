import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LayerswarmError } from '../errors.ts';
import { runProgram, SCRATCH_MARK } from './program/run-program.ts';
import { hostSurroundings } from './program/surroundings.ts';

const PREFIX = 'layerswarm-disk-';
const OWNER_FILE = 'owner';
/** In a scratch folder that outlives its maker: the folder that shows the disk. */
const TARGET_FILE = 'target';

/** What has to be undone, last in first out; all of it is tried, whatever fails. */
export class Cleanup implements AsyncDisposable {
  #undos: (() => void | Promise<void>)[] = [];

  add(undo: () => void | Promise<void>): void {
    this.#undos.push(undo);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const undo of this.#undos.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'some of what was mounted or started could not be undone');
  }
}

/**
 * A new folder for one conversion's overlay, mount points and temporary files. It knows its owner, so that what a killed
 * converter left is found. `dismantle` in the cleanup is the net below the ordered undoing of everything in it.
 */
export async function makeScratch(cleanup: Cleanup, parent: string = tmpdir()): Promise<string> {
  await removeStale(parent);
  const scratch = await mkdtemp(join(parent, PREFIX));
  cleanup.add(async () => {
    await dismantle(scratch);
  });
  writeFileSync(join(scratch, OWNER_FILE), processIdentity(process.pid) ?? '');
  return scratch;
}

/** Removes the scratch folders of this user whose owners are gone. */
export async function removeStale(parent: string): Promise<void> {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const scratch = join(parent, name);
    const owner = readOwn(scratch, OWNER_FILE);
    const target = readOwn(scratch, TARGET_FILE);
    const isUsed =
      target === undefined
        ? owner === undefined || owner === processIdentity(Number(owner.split(' ', 1)[0]))
        : mountsBelow(target).length > 0;
    // A folder that outlives its maker is used from its maker's end on.
    if (!isUsed && (target === undefined || owner !== processIdentity(Number(owner?.split(' ', 1)[0])))) await dismantle(scratch);
  }
}

/** Lets a scratch folder outlive this process, for as long as something is mounted at or below `target`. */
export function keepScratch(scratch: string, target: string): void {
  writeFileSync(join(scratch, TARGET_FILE), target);
}

/** The scratch folders behind what is mounted at or below `target`. */
export function findScratch(target: string, parent: string = tmpdir()): string[] {
  return readdirSync(parent)
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join(parent, name))
    .filter((scratch) => readOwn(scratch, TARGET_FILE) === target);
}

/** Takes apart whatever is mounted, looped or running below `scratch`, in the only order that works, and removes it. */
export async function dismantle(scratch: string): Promise<void> {
  const host = hostSurroundings('/');
  const target = readOwn(scratch, TARGET_FILE);
  const mounts = (): string[] => [...(target === undefined ? [] : mountsBelow(target)), ...mountsBelow(scratch)];
  for (const mount of mounts().reverse()) await unmount(mount);
  for (const device of loopsBelow(scratch)) await runProgram(host, 'losetup', ['-d', device], { okCodes: [0, 1] });
  await stopMarked(scratch);
  for (const mount of mounts().reverse()) await unmount(mount);
  if (mounts().length > 0)
    throw new LayerswarmError('internal', `something is still mounted below ${scratch}: unmount it and remove the folder`);
  if (target !== undefined) removeMountPoints(target);
  rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
}

/** The empty files that a map was shown at. */
function removeMountPoints(target: string): void {
  for (const entry of readdirSync(target, { withFileTypes: true })) {
    const path = join(target, entry.name);
    if (entry.isFile() && statSync(path).size === 0) rmSync(path);
  }
}

/** Lazily, so that a dead FUSE server or an open file does not stop it. */
async function unmount(target: string): Promise<void> {
  if (process.getuid?.() === 0) await runProgram(hostSurroundings('/'), 'umount', ['--lazy', target], { okCodes: [0, 1, 32] });
  else await runProgram(hostSurroundings('/'), 'fusermount3', ['-u', '-z', target], { okCodes: [0, 1] });
}

/** Mount points at or below a path, in the order in which they were mounted. */
export function mountsBelow(folder: string, mountinfo = '/proc/self/mountinfo'): string[] {
  return readFileSync(mountinfo, 'utf8')
    .split('\n')
    .map((line) => unescapeMount(line.split(' ')[4] ?? ''))
    .filter((target) => target === folder || target.startsWith(`${folder}/`));
}

function unescapeMount(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function loopsBelow(folder: string): string[] {
  if (process.getuid?.() !== 0 || !existsSync('/sys/block')) return [];
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop') && (readIfThere(`/sys/block/${name}/loop/backing_file`)?.startsWith(`${folder}/`) ?? false))
    .map((name) => `/dev/${name}`);
}

async function stopMarked(scratch: string): Promise<void> {
  const marked = (): number[] =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((pid) => readIfThere(`/proc/${pid}/environ`)?.split('\0').includes(`${SCRATCH_MARK}=${scratch}`) ?? false)
      .map(Number);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const pid of marked()) signalIfThere(pid, signal);
    for (let i = 0; i < 100 && marked().length > 0; i++) await delay(20);
  }
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Process id and start time: ids are used again. */
function processIdentity(pid: number): string | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything; the start time is the 20th field behind it.
  return stat === undefined ? undefined : `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!}`;
}

/** What this user's scratch folder says of itself; what another user puts into the folder for temporary files is not believed. */
function readOwn(scratch: string, file: string): string | undefined {
  const uid = statSync(scratch, { throwIfNoEntry: false })?.uid;
  return uid === process.getuid?.() ? readIfThere(join(scratch, file)) : undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'ENOTDIR' || code === 'ENXIO') return undefined;
    throw error;
  }
}
