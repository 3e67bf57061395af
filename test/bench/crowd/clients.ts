import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../../support/netns.ts';
import { type RunningProgram, runOk } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { fluidBound } from './crowd-case.ts';
import type { Stage } from './stage.ts';

/** What one program does on one host once it is let go. */
export interface Start {
  readonly host: Host;
  readonly command: readonly string[];
}

export interface Run {
  readonly program: RunningProgram;
  /** When it was let go, and when it ended: ms since the epoch. */
  readonly startedAt: number;
  readonly ended: Promise<number>;
  /** When its first bytes had come, once they have. */
  readonly firstBytesAt: () => number | undefined;
}

/** More than a manifest has, which the same process may have got before. */
const FIRST_BYTES = 16 * 1024;
const LOOK_INTERVAL_MS = 50;

/** Downloads with curl, three at once and again after a 503, as containerd does: `first` alone (a manifest), then the rest. Bytes go nowhere. */
export function downloads(first: string | undefined, rest: readonly string[]): string[] {
  const curl = ['curl', '-sS', '--fail', '--retry', '5', '-H', 'Accept: application/vnd.oci.image.manifest.v1+json'];
  const many = [...curl, '-Z', '--parallel-max', '3', ...rest.flatMap((url) => ['-o', '/dev/null', url])];
  if (first === undefined) return many;
  return ['sh', '-c', `${quote([...curl, '-o', '/dev/null', first])} && exec ${quote(many)}`];
}

/**
 * Starts a program on each host, all held back by one pipe until everybody is there, so that they begin within some ms; those
 * of a host that arrives later are started then.
 */
export async function startTogether(
  { crowd, payload, cleanup }: Stage,
  starts: readonly Start[],
): Promise<{ readonly runs: readonly Promise<Run>[]; readonly begin: number }> {
  const fifo = join(tempDir(cleanup, 'gate'), 'gate');
  await runOk('mkfifo', [fifo]);
  const bound = fluidBound(crowd, payload.bytes) * 1000;
  const held = starts.map(({ host, command }, i) =>
    (crowd.hosts[i]!.arriveAt ?? 0) > 0 ? undefined : host.start(cleanup, 'sh', ['-c', ': <"$0" && exec "$@"', fifo, ...command]),
  );
  await delay(300);
  const gate = await open(fifo, 'w');
  const begin = Date.now();
  await gate.close();
  const runs = starts.map(async ({ host, command }, i): Promise<Run> => {
    const program = held[i];
    if (program !== undefined) return { program, startedAt: begin, ended: whenEnded(program), firstBytesAt: watchFirstBytes(program) };
    await delay((crowd.hosts[i]!.arriveAt ?? 0) * bound - (Date.now() - begin));
    const late = host.start(cleanup, command[0]!, command.slice(1));
    return { program: late, startedAt: Date.now(), ended: whenEnded(late), firstBytesAt: watchFirstBytes(late) };
  });
  return { runs, begin };
}

function whenEnded(program: RunningProgram): Promise<number> {
  const ended = program.finished.then(({ code, stderr }) => {
    if (code !== 0) throw new Error(`a client ended with ${code}: ${stderr}`);
    return Date.now();
  });
  // Nobody waits for those that are killed.
  ended.catch(() => undefined);
  return ended;
}

/** Looks at what the program has written, which is what it got: curl tells only when the headers came. */
function watchFirstBytes(program: RunningProgram): () => number | undefined {
  let at: number | undefined;
  const timer = setInterval(() => {
    if (writtenBy(program.pid) >= FIRST_BYTES) at = Date.now();
    if (at !== undefined || program.exit !== undefined) clearInterval(timer);
  }, LOOK_INTERVAL_MS);
  return () => at;
}

/** Bytes so far, proc_pid_io(5), those of children that it waited for among them. */
function writtenBy(pid: number): number {
  try {
    return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function quote(command: readonly string[]): string {
  return command.map((word) => `'${word}'`).join(' ');
}

/** Runs `kill` at a share of the fluid bound after `begin`; what it starts is awaited by nobody. */
export function killAt({ crowd, payload, cleanup }: Stage, share: number, begin: number, kill: () => void): void {
  const timer = setTimeout(kill, share * fluidBound(crowd, payload.bytes) * 1000 - (Date.now() - begin));
  cleanup.teardown(() => {
    clearTimeout(timer);
  });
}
