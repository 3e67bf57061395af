import { spawn } from 'node:child_process';
import type { Cleanup } from './cleanup.ts';
import { toolPath } from './require-tool.ts';
import { DEFAULT_DEADLINE, waitFor } from './wait-for.ts';

export interface SpawnOptions {
  readonly cwd?: string;
  /** Added to this process's environment; undefined takes a name out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Name of the network namespace to run in. */
  readonly netns?: string | undefined;
  /** Written to the program's standard input, which is closed after it. */
  readonly input?: string | Uint8Array;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs in a process group of its own, which ends with it, and cannot outlive the test. */
export interface RunningProgram {
  readonly pid: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Set once it has ended. */
  readonly exit: Exit | undefined;
  readonly finished: Promise<Finished>;
  /** Waits for a line of either output; rejects when the program ends first. */
  waitForOutput(pattern: RegExp, deadline?: number): Promise<string>;
  /** `waitFor`, given up when the program ends. */
  waitFor<T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>, deadline?: number): Promise<T>;
  /** Signals the whole group; nothing once the program has ended. */
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM to the program, then SIGKILL to its group when it has not ended after `grace` milliseconds. */
  stop(grace?: number): Promise<Finished>;
}

/** Kept of each output, from its end. */
const OUTPUT_LIMIT = 16 * 1024 * 1024;
/** Milliseconds that outputs may stay open after their program's end. */
const OUTPUT_GRACE = 2_000;

export function startProgram(cleanup: Cleanup, command: string, args: readonly string[], options: SpawnOptions = {}): RunningProgram {
  const [file, argv] =
    options.netns === undefined ? [command, args] : ['nsenter', [`--net=/run/netns/${options.netns}`, '--', command, ...args]];
  const title = [command, ...args].join(' ').slice(0, 300);
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: toolPath, ...options.env };
  const child = spawn(file, argv, { cwd: options.cwd, env, detached: true, stdio: 'pipe' });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] = (output[name] + text).slice(-OUTPUT_LIMIT);
    });
  }
  // A program that ends without reading its input is not an error of the writer.
  child.stdin.on('error', () => undefined).end(options.input);

  let exit: Exit | undefined;
  let failure: Error | undefined;
  child.on('error', (error) => {
    failure = error;
  });
  child.on('exit', (code, signal) => {
    // Now or never: its number may soon be another program's.
    kill('SIGKILL');
    exit = { code, signal };
  });
  const { promise: finished, resolve, reject } = Promise.withResolvers<Finished>();
  // Whoever needs the failure awaits `finished`; nobody else has to.
  finished.catch(() => undefined);
  const finish = (): void =>
    exit === undefined ? reject(failure ?? new Error(`did not start: ${title}`)) : resolve({ ...exit, ...output });
  child.on('close', finish);
  // A daemon that the program left behind may hold its outputs open for ever.
  child.on('exit', () => {
    const timer = setTimeout(finish, OUTPUT_GRACE);
    child.on('close', () => clearTimeout(timer));
  });

  function kill(signal: NodeJS.Signals): void {
    if (child.pid === undefined || exit !== undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  function whyGone(): Error | undefined {
    if (failure !== undefined) return failure;
    if (exit === undefined) return undefined;
    return new Error(`ended with ${exit.signal ?? `exit code ${exit.code}`}: ${title}\n${output.stdout}${output.stderr}`);
  }

  const program: RunningProgram = {
    get pid() {
      if (child.pid === undefined) throw failure ?? new Error(`did not start: ${title}`);
      return child.pid;
    },
    get stdout() {
      return output.stdout;
    },
    get stderr() {
      return output.stderr;
    },
    get exit() {
      return exit;
    },
    finished,
    waitForOutput: (pattern, deadline) =>
      program.waitFor(`${pattern} from ${title}`, () => pattern.exec(`${output.stdout}\n${output.stderr}`)?.[0], deadline),
    async waitFor(what, look, deadline = DEFAULT_DEADLINE) {
      try {
        return await waitFor(what, look, { deadline, giveUp: whyGone });
      } catch (error) {
        throw new Error(`${(error as Error).message}\n--- output of ${title}\n${output.stdout}${output.stderr}`.slice(0, 20_000), {
          cause: error,
        });
      }
    },
    kill,
    async stop(grace = 10_000) {
      if (exit === undefined && failure === undefined) child.kill('SIGTERM');
      const timer = setTimeout(() => kill('SIGKILL'), grace);
      try {
        return await finished;
      } finally {
        clearTimeout(timer);
      }
    },
  };
  cleanup.teardown(async () => {
    if (child.pid === undefined) return;
    await program.stop();
  });
  return program;
}

export interface RunOptions extends SpawnOptions {
  /** Milliseconds after which the program is killed and the call rejects. */
  readonly deadline?: number;
}

/** Runs a program to its end, whatever its exit code. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { deadline = 300_000 } = options;
  const undos: (() => void | Promise<void>)[] = [];
  const program = startProgram({ teardown: (undo) => undos.push(undo) }, command, args, options);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    program.kill('SIGKILL');
  }, deadline);
  try {
    const result = await program.finished;
    if (late)
      throw new Error(`killed after ${deadline} ms: ${command} ${args.join(' ')}\n${result.stdout}${result.stderr}`.slice(0, 20_000));
    return result;
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a program that must end with exit code 0. */
export async function runOk(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')} ended with ${result.signal ?? `exit code ${result.code}`}\n${result.stdout}${result.stderr}`.slice(
        0,
        20_000,
      ),
    );
  }
  return result;
}
