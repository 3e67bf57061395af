import { globSync } from 'node:fs';
import { relative } from 'node:path';
import { TapReader, type TestResult } from './tap.ts';

/** Starts a program, gives each line that it writes, and tells its exit code: null after a signal. */
export type RunLines = (file: string, args: readonly string[], deadline: number, onLine: (line: string) => void) => Promise<number | null>;

const MINUTE = 60_000;
/** How much of a run that ended by itself is shown. */
const LINES_KEPT = 40;
/** Test files of one kind that share something of the machine: never two of them at once. */
const ROOMS: readonly (readonly [room: string, files: RegExp])[] = [
  ['disks', /^convert\//],
  ['artefacts', /^(release|debian|package|clean-clone)$/],
];

/** Of all tests of a suite, one AVA process. */
export async function runTogether(
  runLines: RunLines,
  dir: string,
  options: readonly string[],
  deadline: number,
  onResult: (result: TestResult) => void,
): Promise<void> {
  await runFiles(runLines, `${dir}/**/*.test.ts`, options, deadline, '', onResult);
}

/**
 * The test files of a folder, each in an AVA process of its own, so many at once: end-to-end tests wait more than they work. What shares
 * something of the machine takes turns. Results come file by file as they end.
 */
export async function runSideBySide(
  runLines: RunLines,
  dir: string,
  options: readonly string[],
  atOnce: number,
  deadline: number,
  onResult: (result: TestResult, seconds: number) => void,
): Promise<void> {
  const waiting = globSync(`${dir}/**/*.test.ts`)
    .map((file) => nameOf(dir, file))
    .sort((a, b) => Number(roomOf(b) !== undefined) - Number(roomOf(a) !== undefined));
  const busy = new Set<string>();
  const wake: (() => void)[] = [];
  const work = async (): Promise<void> => {
    while (waiting.length > 0) {
      const index = waiting.findIndex((name) => !busy.has(roomOf(name) ?? ''));
      if (index < 0) {
        await new Promise<void>((resolve) => wake.push(resolve));
        continue;
      }
      const [name] = waiting.splice(index, 1) as [string];
      const room = roomOf(name);
      if (room !== undefined) busy.add(room);
      let last = performance.now();
      const results: [TestResult, number][] = [];
      await runFiles(runLines, `${dir}/${name}.test.ts`, options, deadline, titlePrefix(name), (result) => {
        results.push([result, (result.at - last) / 1000]);
        last = result.at;
      });
      for (const [result, seconds] of results) onResult(result, seconds);
      if (room !== undefined) busy.delete(room);
      for (const resolve of wake.splice(0)) resolve();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** The files of these failures of `runSideBySide` once more, one after the other. Returns the titles of those whose file had no failure now. */
export async function runAgain(
  runLines: RunLines,
  dir: string,
  options: readonly string[],
  titles: readonly string[],
): Promise<Set<string>> {
  const names = globSync(`${dir}/**/*.test.ts`).map((file) => nameOf(dir, file));
  const passed = new Set<string>();
  for (const name of names) {
    const ofFile = titles.filter((title) => title.startsWith(titlePrefix(name)));
    if (ofFile.length === 0) continue;
    let failures = 0;
    await runFiles(runLines, `${dir}/${name}.test.ts`, options, 10 * MINUTE, '', ({ outcome }) => {
      if (outcome === 'failed') failures++;
    });
    if (failures === 0) for (const title of ofFile) passed.add(title);
  }
  return passed;
}

/** AVA names the file in a title only where it runs several. */
async function runFiles(
  runLines: RunLines,
  files: string,
  options: readonly string[],
  deadline: number,
  prefix: string,
  onResult: (result: TestResult) => void,
): Promise<void> {
  let failed = false;
  const last: string[] = [];
  const reader = new TapReader((result) => {
    failed ||= result.outcome === 'failed';
    onResult({ ...result, title: `${prefix}${result.title}` });
  });
  const code = await runLines('ava', ['--tap', ...options, files], deadline, (line) => {
    last.push(line);
    if (last.length > LINES_KEPT) last.shift();
    reader.line(line);
  });
  reader.end();
  if (reader.complete && (code === 0 || failed)) return;
  onResult({
    title: `${prefix}the run itself`,
    outcome: 'failed',
    at: performance.now(),
    detail: [`ava ended with ${code ?? 'a signal'}; its last lines:`, ...last],
  });
}

function nameOf(dir: string, file: string): string {
  return relative(dir, file).replace(/\.test\.ts$/, '');
}

function titlePrefix(name: string): string {
  return `${name.replaceAll('/', ' › ')} › `;
}

function roomOf(name: string): string | undefined {
  return ROOMS.find(([, files]) => files.test(name))?.[0];
}
