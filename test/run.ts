/**
 * Runs everything that `npm test` promises: types and lint, unit tests, end-to-end tests, and a look at what they left
 * behind. `node test/run.ts unit` runs one part. The last line counts; the exit code is 0 when nothing failed, at most
 * one end-to-end test needed a second run, and, with CI=true, nothing was skipped. Unit tests have no second run.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findLastingLeaks, type RunMarks } from './runner/leaks.ts';
import { runAgain, runSideBySide, runTogether } from './runner/suite.ts';
import type { TestResult } from './runner/tap.ts';
import { Verdict } from './runner/verdict.ts';
import { releasedProgram } from './support/released-program.ts';

const MINUTE = 60_000;
/** More failures than this are no accident. */
const MOST_TRIED_AGAIN = 6;
const E2E_OPTIONS = ['--serial', '--timeout=5m'];
const E2E_AT_ONCE = 3;
const isCI = process.env['CI'] === 'true';
const id = `lsw${process.pid.toString(36)}${Math.floor(Math.random() * 46_656).toString(36)}`;
const marks: RunMarks = { id, tempDir: join(tmpdir(), id) };
// With a cache a program of ours starts in a third of the time, and the tests start more than a thousand.
const environment: NodeJS.ProcessEnv = {
  ...process.env,
  TMPDIR: marks.tempDir,
  SWARM_TEST_RUN: id,
  NODE_COMPILE_CACHE: join(marks.tempDir, 'compile-cache'),
  NO_COLOR: '1',
  FORCE_COLOR: undefined,
};
const verdict = new Verdict();
const running = new Set<ChildProcess>();
let interrupted = false;

const PARTS: Record<string, () => Promise<void>> = {
  check: async () => {
    await command('types', 'tsc', ['--noEmit']);
    await command('lint', 'oxlint', ['--type-aware', '--deny-warnings', 'src', 'test', 'config']);
    await command('format', 'oxfmt', ['--check', ...['src', 'test', 'config'].map((folder) => `${folder}/**/*.ts`)]);
  },
  unit: () => suite((onResult) => runTogether(runLines, 'test/unit', [], 15 * MINUTE, onResult)),
  e2e: async () => {
    await built();
    await suite(
      (onResult) => runSideBySide(runLines, 'test/e2e', E2E_OPTIONS, E2E_AT_ONCE, 10 * MINUTE, onResult),
      (titles) => runAgain(runLines, 'test/e2e', E2E_OPTIONS, titles),
    );
  },
};

function print({ title, outcome, detail }: Pick<TestResult, 'title' | 'outcome' | 'detail'>, seconds?: number): void {
  if (outcome === 'passed' && seconds === undefined) return;
  const mark = { passed: '✔', failed: '✘', skipped: '-' }[outcome];
  const time = seconds !== undefined && seconds >= 1 ? ` (${seconds.toFixed(1)} s)` : '';
  console.log(`  ${mark} ${title}${time}`);
  for (const line of detail) console.log(`      ${line}`);
}

/** One test: the program ends with exit code 0. Its output is shown only when it does not. */
async function command(title: string, file: string, args: readonly string[], deadline = 5 * MINUTE): Promise<void> {
  const begin = performance.now();
  const lines: string[] = [];
  const code = await runLines(file, args, deadline, (line) => lines.push(line));
  const result = { title, outcome: code === 0 ? 'passed' : 'failed', detail: code === 0 ? [] : lines.slice(-200) } as const;
  print(result, (performance.now() - begin) / 1000);
  verdict.add(result);
}

/** One test: the program can be built. What is tested end to end is that, and not the sources. */
async function built(): Promise<void> {
  const begin = performance.now();
  const title = 'the program, built as for a release';
  const detail: string[] = [];
  try {
    environment['SWARM_TEST_PROGRAM'] = await releasedProgram(join(import.meta.dirname, '..'), join(marks.tempDir, 'program'));
  } catch (error) {
    detail.push(...String(error).split('\n'));
  }
  const result = { title, outcome: detail.length === 0 ? 'passed' : 'failed', detail } as const;
  print(result, (performance.now() - begin) / 1000);
  verdict.add(result);
}

/**
 * Where failures may be tried again it is done alone: for a program with clocks and networks a machine that was busy elsewhere for a moment
 * is no defect. What passes only then is named and counted. `tryAgain` gives the titles of what passed.
 */
async function suite(
  run: (onResult: (result: TestResult, seconds?: number) => void) => Promise<void>,
  tryAgain?: (titles: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<void> {
  const before = verdict.passed;
  const begin = performance.now();
  const failed: TestResult[] = [];
  await run((result, seconds) => {
    print(result, seconds);
    if (result.outcome === 'failed') failed.push(result);
    else verdict.add(result);
  });
  const again = failed.length <= MOST_TRIED_AGAIN && !interrupted ? failed.map(({ title }) => title) : [];
  const passed = await tryAgain?.(again);
  for (const result of failed) {
    if (passed?.has(result.title) === true) verdict.addFlaky(result);
    else verdict.add(result);
  }
  console.log(`  ${verdict.passed - before} passed (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
}

async function runLines(file: string, args: readonly string[], deadline: number, onLine: (line: string) => void): Promise<number | null> {
  // what is next in line is not begun after an interrupt
  if (interrupted) return null;
  const child = spawn(file, args, { env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const end = setTimeout(() => {
    onLine(`killed: not done after ${deadline / MINUTE} minutes`);
    killGroup(child);
  }, deadline);
  createInterface({ input: child.stdout }).on('line', onLine);
  createInterface({ input: child.stderr }).on('line', onLine);
  try {
    return await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  } finally {
    clearTimeout(end);
    running.delete(child);
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL');
}

/** One test: nothing that the run started is left. What is left is removed all the same. */
async function leakCheck(): Promise<void> {
  const leaks = await findLastingLeaks(marks);
  const detail = leaks.map(({ what }) => what);
  for (const { what, remove } of leaks) {
    await remove().catch((error: unknown) => detail.push(`cannot remove ${what}: ${String(error)}`));
  }
  rmSync(marks.tempDir, { recursive: true, force: true, maxRetries: 10 });
  const title = 'no process, mount, loop device or network namespace is left behind';
  const result = { title, outcome: leaks.length === 0 ? 'passed' : 'failed', detail } as const;
  print(result, 0);
  verdict.add(result);
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`unknown part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true;
    console.log(`interrupted by ${signal}`);
    for (const child of running) killGroup(child);
  });
}
mkdirSync(marks.tempDir, { recursive: true });
for (const [name, part] of Object.entries(PARTS)) {
  if (interrupted || (wanted.length > 0 && !wanted.includes(name))) continue;
  console.log(name);
  await part();
}
console.log('after the run');
await leakCheck();
for (const line of verdict.lastLines()) console.log(line);
process.exitCode = interrupted ? 130 : verdict.exitCode({ nothingSkipped: isCI });
