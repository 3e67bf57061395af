import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../support/process.ts';

/** How what a run starts can be told from everything else on the machine. */
export interface RunMarks {
  /** In the environment of every process of the run as SWARM_TEST_RUN, and at the beginning of each network namespace's name. */
  readonly id: string;
  /** Every temporary file of the run lies below. */
  readonly tempDir: string;
}

export interface Leak {
  readonly what: string;
  readonly remove: () => Promise<unknown>;
}

/** What is still there of the run, in the order in which it has to be removed. */
export function findLeaks(marks: RunMarks): Leak[] {
  return [...processes(marks), ...mounts(marks), ...loopDevices(marks), ...networkNamespaces(marks)];
}

/** Ended processes take a moment to go away: a leak is what stays. */
export async function findLastingLeaks(marks: RunMarks, grace = 5_000): Promise<Leak[]> {
  const end = performance.now() + grace;
  let leaks = findLeaks(marks);
  while (leaks.length > 0 && performance.now() < end) {
    await delay(100);
    leaks = findLeaks(marks);
  }
  return leaks;
}

function processes({ id, tempDir }: RunMarks): Leak[] {
  const mark = `SWARM_TEST_RUN=${id}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const command = readProc(pid, 'cmdline').replaceAll('\0', ' ').trim();
      // Containers have an environment of their own; their root is what tells.
      const ours = readProc(pid, 'environ').split('\0').includes(mark) || command.includes(tempDir) || root(pid).startsWith(tempDir);
      if (!ours || isZombie(pid)) return [];
      return [{ what: `process ${pid}: ${command.slice(0, 200)}`, remove: async () => process.kill(Number(pid), 'SIGKILL') }];
    });
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(join('/proc', pid, file), 'utf8');
  } catch {
    return ''; // It has ended since, or belongs to another user.
  }
}

function root(pid: string): string {
  try {
    return readlinkSync(join('/proc', pid, 'root'));
  } catch {
    return '';
  }
}

function isZombie(pid: string): boolean {
  return /^\d+ \(.*\) [ZX]/s.test(readProc(pid, 'stat'));
}

function mounts({ tempDir }: RunMarks): Leak[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[1] ?? '').replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((target) => target.startsWith(tempDir))
    .reverse()
    .map((target) => ({ what: `mount ${target}`, remove: () => run('umount', ['--lazy', target]) }));
}

function loopDevices({ tempDir }: RunMarks): Leak[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .flatMap((name) => {
      let file: string;
      try {
        file = readFileSync(join('/sys/block', name, 'loop/backing_file'), 'utf8').trim();
      } catch {
        return []; // Not in use.
      }
      return file.startsWith(tempDir)
        ? [{ what: `loop device ${name} of ${file}`, remove: () => run('losetup', ['-d', `/dev/${name}`]) }]
        : [];
    });
}

function networkNamespaces({ id }: RunMarks): Leak[] {
  let names: string[];
  try {
    names = readdirSync('/run/netns');
  } catch {
    return []; // None was ever made here.
  }
  return names
    .filter((name) => basename(name).startsWith(`${id}-`))
    .map((name) => ({ what: `network namespace ${name}`, remove: () => run('ip', ['netns', 'delete', name]) }));
}
