import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { runAgain, runTogether, type RunLines } from '../../runner/suite.ts';
import type { TestResult } from '../../runner/tap.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** A suite of empty files, and an AVA that says of each what it is told to. */
function makeSuite(
  t: ExecutionContext,
  files: Record<string, { lines: string[]; code: number | null }>,
): { dir: string; runLines: RunLines; ran: string[] } {
  const dir = tempDir(t, 'suite');
  const ran: string[] = [];
  for (const name of Object.keys(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, `${name}.test.ts`), '');
  }
  const runLines: RunLines = (_, args, __, onLine) => {
    const name = args
      .at(-1)!
      .slice(dir.length + 1)
      .replace('.test.ts', '');
    ran.push(name);
    const { lines, code } = files[name] ?? { lines: ['1..0'], code: 0 };
    for (const line of lines) onLine(line);
    return Promise.resolve(code);
  };
  return { dir, runLines, ran };
}

test('what failed passes when its file does on its second run, whatever failed', async (t) => {
  const { dir, runLines, ran } = makeSuite(t, {
    pull: { lines: ['ok 1 - gets bytes', '1..1'], code: 0 },
    'convert/disk': { lines: ['not ok 1 - maps', '1..1'], code: 1 },
    other: { lines: ['1..0'], code: 0 },
  });
  const titles = ['pull › gets bytes', 'pull › Error: read ECONNRESET', 'pull › the run itself', 'convert › disk › maps'];
  t.deepEqual([...(await runAgain(runLines, dir, [], titles))], titles.slice(0, 3));
  t.deepEqual(ran.toSorted(), ['convert/disk', 'pull']);
});

test('nothing is run again when nothing failed', async (t) => {
  const { dir, runLines, ran } = makeSuite(t, { pull: { lines: [], code: 1 } });
  t.is((await runAgain(runLines, dir, [], [])).size, 0);
  t.deepEqual(ran, []);
});

test('a run that ends by itself is a failure with its last lines', async (t) => {
  const { dir, runLines } = makeSuite(t, { '**/*': { lines: ['ok 1 - gets bytes', 'out of memory'], code: 134 } });
  const results: TestResult[] = [];
  await runTogether(runLines, dir, [], 1, (result) => results.push(result));
  t.deepEqual(
    results.map(({ title, outcome }) => [title, outcome]),
    [
      ['gets bytes', 'passed'],
      ['the run itself', 'failed'],
    ],
  );
  t.deepEqual(results[1]!.detail, ['ava ended with 134; its last lines:', 'ok 1 - gets bytes', 'out of memory']);
});
