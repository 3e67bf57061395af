import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { onAbort } from '../../async/abort.ts';
import { LayerswarmError } from '../../errors.ts';
import { PROGRAM_PATH, type Program } from './find-programs.ts';

/** A program of the host, or one of ours that this Node runs: it parses what a disk holds, and gets the same environment. */
export type Runnable = Program | { readonly name: string; readonly script: URL };

/** Where programs run, and how this process reaches the files that they see. */
export interface Surroundings {
  /** Every file and mount of a conversion lies below it. */
  readonly scratch: string;
  /** Put before a path of theirs, it is the path here. */
  readonly prefix: string;
  /** The command line that runs `command` there. */
  enter(command: readonly string[]): readonly string[];
}

/** In the environment of every program, so that what a killed converter left can be told from everything else. */
export const SCRATCH_MARK = 'LAYERSWARM_SCRATCH';
/** Kept of a program's output; none that is run here has more to say. */
const OUTPUT_LIMIT = 16 * 1024 * 1024;

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** A file descriptor for its input; none otherwise. */
  readonly stdin?: number;
  /** A file descriptor for its output; otherwise the output is returned. */
  readonly stdout?: number;
  /** Exit codes that are not a failure; only 0 unless given. */
  readonly okCodes?: readonly number[];
}

/** Started without libvirt, and its appliance kept where libguestfs itself keeps it: it takes a minute to make. */
const LIBGUESTFS = { LIBGUESTFS_BACKEND: 'direct', LIBGUESTFS_CACHEDIR: '/var/tmp' } as const;

/** Programs never see the user's locale, time zone or configuration: output and archive bytes must not depend on them. */
export function programEnvironment(scratch: string): NodeJS.ProcessEnv {
  return {
    ...LIBGUESTFS,
    PATH: PROGRAM_PATH,
    LC_ALL: 'C',
    TZ: 'UTC',
    HOME: scratch,
    TMPDIR: scratch,
    [SCRATCH_MARK]: scratch,
    ...inherited(),
  };
}

/** Marks of a test run, by which it finds what was left behind; where Node keeps what it has compiled; and how this host runs libguestfs, which has no other configuration. */
function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        name === 'SWARM_TEST_RUN' || name === 'NODE_COMPILE_CACHE' || name.startsWith('LIBGUESTFS_') || name.startsWith('SUPERMIN_'),
    ),
  );
}

/**
 * Runs a program to its end, without a shell. It ends with this process, whatever ends that.
 * @throws LayerswarmError with what the program said last
 */
export async function runProgram(
  where: Surroundings,
  program: Runnable,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Buffer> {
  options.signal?.throwIfAborted();
  const child = start(where, [...commandOf(program), ...args], [options.stdin ?? 'ignore', options.stdout ?? 'pipe', 'pipe']);
  const stop = (): void => {
    child.kill('SIGKILL');
  };
  using _ = onAbort(options.signal, stop);
  const output: Buffer[] = [];
  let length = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= OUTPUT_LIMIT) output.push(chunk);
    else stop();
  });
  const errors = collectErrors(child);
  const [code, killedBy] = await ended(child, nameOf(program));
  options.signal?.throwIfAborted();
  if (length > OUTPUT_LIMIT) throw new LayerswarmError('too-large', `${nameOf(program)} printed more than ${OUTPUT_LIMIT} bytes`);
  if (code === null || !(options.okCodes ?? [0]).includes(code)) throw programFailed(nameOf(program), code, killedBy, errors());
  return Buffer.concat(output);
}

/** A program that runs until it is stopped. */
export interface Daemon {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<void>;
  readonly running: boolean;
  /** What to throw when it ended although it should not have. */
  failure(): LayerswarmError;
  /** SIGTERM, and SIGKILL after `grace` milliseconds. */
  stop(grace?: number): Promise<void>;
  /** Lets this process end while the program goes on. */
  release(): void;
}

const STOP_GRACE = 5_000;

/** Starts a program in a session of its own: a Ctrl-C reaches this process alone, which then stops what it started in order. */
export async function startDaemon(
  where: Surroundings,
  program: Runnable,
  args: readonly string[],
  stdio: 'ignore' | 'pipe' = 'ignore',
  outlive = false,
): Promise<Daemon> {
  const child = start(where, [...commandOf(program), ...args], [stdio, 'pipe', 'pipe'], outlive);
  // Where nobody reads its output: a program may say there, and not on its standard error, what is wrong.
  const errors = collectErrors(child, ...(stdio === 'ignore' ? [child.stdout] : []));
  let exit: { code: number | null; killedBy: NodeJS.Signals | null } | undefined;
  const finished = (async (): Promise<void> => {
    try {
      const [code, killedBy] = await ended(child, nameOf(program));
      exit = { code, killedBy };
    } catch {
      // It did not start; `failure` says so.
      exit = { code: null, killedBy: null };
    }
  })();
  // 'error' comes instead of 'spawn' where setpriv itself is missing.
  if (child.pid === undefined) await once(child, 'spawn');
  return {
    pid: child.pid!,
    child,
    ended: finished,
    get running() {
      return exit === undefined;
    },
    failure: () => programFailed(nameOf(program), exit?.code ?? null, exit?.killedBy ?? null, errors()),
    async stop(grace = STOP_GRACE) {
      if (exit !== undefined) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), grace);
      await finished;
      clearTimeout(timer);
    },
    release() {
      child.unref();
      for (const stream of child.stdio) stream?.destroy();
    },
  };
}

function start(where: Surroundings, command: readonly string[], stdio: ('ignore' | 'pipe' | number)[], outlive = false): ChildProcess {
  // The signal of a dead parent: nothing that was started here outlives this process, even when it is killed with SIGKILL.
  const line = outlive ? where.enter(command) : ['setpriv', '--pdeathsig', 'TERM', '--', ...where.enter(command)];
  return spawn(line[0]!, line.slice(1), { cwd: '/', env: programEnvironment(where.scratch), detached: true, stdio });
}

function commandOf(program: Runnable): string[] {
  return typeof program === 'string' ? [program] : [process.execPath, fileURLToPath(program.script)];
}

function nameOf(program: Runnable): string {
  return typeof program === 'string' ? program : program.name;
}

async function ended(child: ChildProcess, program: string): Promise<[number | null, NodeJS.Signals | null]> {
  return await new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(new LayerswarmError('unavailable', `${program} cannot be started: ${error.message}`, { cause: error }));
    });
    child.once('close', (code, killedBy) => {
      resolve([code, killedBy]);
    });
  });
}

/** What the program says last on its standard error, and on what else is given. */
function collectErrors(child: ChildProcess, ...more: (Readable | null)[]): () => string {
  let text = '';
  for (const stream of [child.stderr, ...more])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-4096);
    });
  return () => text;
}

function programFailed(program: string, code: number | null, killedBy: NodeJS.Signals | null, stderr: string): LayerswarmError {
  // What a program quotes may come from the disk: no control characters reach the terminal.
  const said = stderr
    .trim()
    .split('\n')
    .slice(-3)
    .join('; ')
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, 400);
  return new LayerswarmError('internal', `${program} ended with ${killedBy ?? `exit code ${code}`}${said === '' ? '' : `: ${said}`}`, {
    detail: { program, code, killedBy, said },
  });
}
