import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { inputName, type FuzzJob, type FuzzReport } from './fuzz-worker.ts';
import { TARGETS } from './targets.ts';
import { readNames, readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `Looks for inputs that a parser of foreign bytes breaks at: guided by what of its code each input reaches.
  npm run fuzz -- [--seconds 600] [--seed N] [--target NAME…] [--keep]
--keep writes what reaches all that was reached to test/fuzz/corpus. What was found is in test/fuzz/found, and the exit code is 1.`;

const OPTIONS = {
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string' },
    target: { type: 'string', multiple: true },
    keep: { type: 'boolean', default: false },
  },
} as const;
const { targets, keep, seconds, firstSeed } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  targets: readNames(
    '--target',
    values.target,
    TARGETS.map(({ name }) => name),
  ),
  keep: values.keep,
  seconds: readNumber('--seconds', values.seconds),
  firstSeed: readNumber('--seed', values.seed ?? String(Date.now() % 2 ** 32)),
}));
/** A thread that used so much CPU, in milliseconds, since it last told something is taken to hang. It tells something each second. */
const HANG_CPU_MS = 30_000;
const LOOK_MS = 5000;
const MAX_INPUT_BYTES = 1 << 20;
/** Larger inputs are left out of what is kept. */
const MAX_KEPT_BYTES = 16_384;
const MAX_KEPT = 40;
const MEMORY_MB = 512;
/** What was found stays, renamed to this, after it was mended: the unit tests read the corpus. */
const ONCE_FOUND = 'found-';
const CORPUS = join(import.meta.dirname, 'corpus');
const FOUND = join(import.meta.dirname, 'found');

interface Outcome {
  readonly target: string;
  readonly runs: number;
  readonly places: number;
  readonly inputs: number;
  readonly found: number;
}

console.log(`seed ${firstSeed}, ${seconds} s each`);
const outcomes: Outcome[] = [];
for (const [i, name] of targets.entries()) outcomes.push(await fuzz(name, firstSeed + i));
console.log(
  `\n| parser | runs | places reached | inputs kept | found |\n|---|---|---|---|---|\n${outcomes.map(({ target, runs, places, inputs, found }) => `| ${target} | ${runs.toLocaleString('en')} | ${places} | ${inputs} | ${found} |`).join('\n')}`,
);
if (outcomes.some(({ found }) => found > 0)) process.exitCode = 1;

async function fuzz(target: string, seed: number): Promise<Outcome> {
  const folder = join(CORPUS, target);
  mkdirSync(folder, { recursive: true });
  const current = new SharedArrayBuffer(4 + MAX_INPUT_BYTES);
  const job: FuzzJob = { target, seed, seconds, corpus: folder, current };
  const worker = new Worker(new URL('./fuzz-worker.ts', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  });
  const ended = Promise.withResolvers<void>();
  let progress = { runs: 0, places: 0, inputs: 0 };
  let found = 0;
  const report = (input: Uint8Array, what: string): void => {
    found += 1;
    mkdirSync(FOUND, { recursive: true });
    const file = join(FOUND, `${target}-${inputName(input)}`);
    writeFileSync(file, input);
    console.log(`${target}: ${what}\n  input: ${file}`);
  };
  const reportCurrent = (what: string): void => {
    const bytes = Buffer.from(current);
    report(bytes.subarray(4, 4 + bytes.readUInt32LE()), what);
  };
  let toldAt = 0;
  const cpuMs = async (): Promise<number> => {
    const { user, system } = await worker.cpuUsage();
    return (user + system) / 1000;
  };
  const heard = async (): Promise<void> => {
    toldAt = await cpuMs();
  };
  const look = async (): Promise<void> => {
    if ((await cpuMs()) - toldAt < HANG_CPU_MS) return;
    reportCurrent(`hangs: no end within ${HANG_CPU_MS} ms of CPU`);
    await worker.terminate();
  };
  const watch = setInterval(() => {
    look().catch(() => undefined);
  }, LOOK_MS);
  worker.on('message', (message: FuzzReport) => {
    // it has ended where there is no answer
    heard().catch(() => undefined);
    if (message.kind === 'found') report(message.input, message.what);
    if (message.kind === 'progress') progress = message;
    if (message.kind !== 'done') return;
    const kept = message.corpus.filter(({ length }) => length <= MAX_KEPT_BYTES).slice(0, MAX_KEPT);
    progress = { ...message, inputs: kept.length };
    if (!keep) return;
    for (const name of readdirSync(folder)) if (!name.startsWith(ONCE_FOUND)) rmSync(join(folder, name));
    for (const input of kept) writeFileSync(join(folder, inputName(input)), input);
  });
  worker.on('error', (error) => {
    reportCurrent(`ended the thread: ${error.stack ?? error.message}`);
  });
  worker.on('exit', () => {
    ended.resolve();
  });
  await ended.promise;
  clearInterval(watch);
  console.log(`${target}: ${progress.runs} runs, ${progress.places} places, ${found} found`);
  return { target, ...progress, found };
}
