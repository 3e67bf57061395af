import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { readNames, scriptArguments } from '../support/script-arguments.ts';
import { CleanupStack } from '../support/cleanup.ts';
import { releasedProgram } from '../support/released-program.ts';
import { tempDir } from '../support/temp-dir.ts';

const PARTS = [
  'crowd',
  'fast',
  'profile',
  'warm',
  'two-blobs',
  'latency',
  'lazy',
  'progress',
  'node',
  'page',
  'scale',
  'replicate',
  'convert',
];
const RESULTS = join(import.meta.dirname, 'RESULTS.md');

const USAGE = `Runs the parts one after another and writes their tables into RESULTS.md, each between its two marks. Parts are programs of this folder
that print markdown on standard output, and have options of their own. As root, on a machine that does nothing else.
  npm run bench -- [PART…]
Parts: ${PARTS.join(', ')}`;

const wanted = scriptArguments(USAGE, { allowPositionals: true }, ({ positionals }) =>
  readNames('part', positionals.length === 0 ? undefined : positionals, PARTS),
);
if (spawnSync('bash', [join(import.meta.dirname, 'setup.sh')], { stdio: 'inherit' }).status !== 0) process.exit(1);
const programs = new CleanupStack();
// What is measured is what users run.
process.env['SWARM_TEST_PROGRAM'] = await releasedProgram(
  join(import.meta.dirname, '../..'),
  join(tempDir(programs, 'program'), 'release'),
);
try {
  for (const part of wanted) {
    console.error(`# ${part}`);
    record(part, await output(part));
  }
} finally {
  await programs.undo();
}

async function output(part: string): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, `${part}.ts`)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
  const printed = await text(child.stdout);
  const code = await exit;
  if (code !== 0) throw new Error(`${part} ended with ${code}`);
  return printed.trim();
}

/** Puts `table` between the marks of its part; the words around them are written by hand. */
function record(part: string, table: string): void {
  const [begin, end] = [`<!-- ${part} -->`, `<!-- end of ${part} -->`];
  const before = readFileSync(RESULTS, 'utf8');
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`RESULTS.md has no ${begin} … ${end}`);
  writeFileSync(RESULTS, `${before.slice(0, from + begin.length)}\n${table}\n${before.slice(to)}`);
}
