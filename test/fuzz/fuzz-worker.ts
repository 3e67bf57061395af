import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { mulberry } from '../sim/random.ts';
import { instrumentModules, placesInUse, type Literals } from './instrument.ts';
import { answersTo, dictionaryOf, mutate } from './mutate.ts';
import { installProbe, type Pair } from './probe.ts';
import type { FuzzTarget } from './target.ts';

export interface FuzzJob {
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  /** Folder of inputs from before. */
  readonly corpus: string;
  /** The input that runs now: its length (u32, little endian) and its bytes; whoever ends a thread that hangs finds it here. */
  readonly current: SharedArrayBuffer;
}

/** What the thread tells: how it goes, and an input that broke the parser. */
export type FuzzReport =
  | { readonly kind: 'progress'; readonly runs: number; readonly places: number; readonly inputs: number }
  | { readonly kind: 'found'; readonly input: Uint8Array; readonly what: string }
  | { readonly kind: 'done'; readonly runs: number; readonly places: number; readonly corpus: readonly Uint8Array[] };

interface Kept {
  readonly input: Buffer;
  readonly places: ReadonlySet<number>;
  answered: boolean;
}

const DEFAULT_LIMIT = 4096;
/** CPU milliseconds for one input: a parser that takes longer can be used to stop a node. */
const SLOW_MS = 1000;
const TELL_MS = 1000;
const MAX_FINDINGS = 20;

async function main({ target: name, seed, seconds, corpus: folder, current }: FuzzJob): Promise<void> {
  const random = mulberry(seed);
  const probe = installProbe();
  const literals: Literals = { texts: new Set(), numbers: new Set() };
  instrumentModules(new URL('../../src/', import.meta.url), literals);
  instrumentModules(new URL('../../node_modules/cborg/', import.meta.url), literals);
  const { TARGETS } = await import('./targets.ts');
  const { tryInput } = await import('./target.ts');
  const target: FuzzTarget = TARGETS.find((one) => one.name === name)!;
  const limit = target.limit ?? DEFAULT_LIMIT;
  const dictionary = dictionaryOf(literals);
  const counters = probe.counters.subarray(0, placesInUse());
  const shown = Buffer.from(current);
  const seen = new Uint8Array(counters.length);
  const corpus: Kept[] = [];
  const findings = new Set<string>();
  let runs = 0;
  let places = 0;
  let toldAt = performance.now();
  const end = toldAt + seconds * 1000;

  /** Runs an input, and keeps it where it leads somewhere new. */
  async function attempt(input: Buffer): Promise<void> {
    shown.writeUInt32LE(input.length);
    input.copy(shown, 4);
    counters.fill(0);
    const cpu = process.threadCpuUsage();
    const before = performance.now();
    try {
      await tryInput(target, input);
    } catch (error) {
      found(input, error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    runs += 1;
    if (performance.now() - before > SLOW_MS) {
      const { user, system } = process.threadCpuUsage(cpu);
      if ((user + system) / 1000 > SLOW_MS) found(input, `took ${Math.round((user + system) / 1000)} ms of CPU`);
    }
    let isNew = false;
    for (let place = 0; place < counters.length; place++) {
      const count = counters[place]!;
      if (count === 0) continue;
      const bucket = 1 << bucketOf(count);
      if ((seen[place]! & bucket) !== 0) continue;
      if (seen[place] === 0) places += 1;
      seen[place]! |= bucket;
      isNew = true;
    }
    if (isNew) corpus.push({ input: Buffer.from(input), places: placesOf(counters), answered: false });
    if (performance.now() - toldAt < TELL_MS) return;
    toldAt = performance.now();
    tell({ kind: 'progress', runs, places, inputs: corpus.length });
  }

  function found(input: Buffer, what: string): void {
    const key = what.replaceAll(/\d+/g, 'n').split('\n').slice(0, 3).join('\n');
    if (findings.has(key) || findings.size >= MAX_FINDINGS) return;
    findings.add(key);
    tell({ kind: 'found', input: Uint8Array.from(input), what });
  }

  for (const input of [...target.seeds().map((one) => Buffer.from(one)), ...saved(folder)]) await attempt(input.subarray(0, limit));
  while (performance.now() < end) {
    const kept = corpus[Math.floor(random() ** 0.5 * corpus.length)]!;
    if (!kept.answered) {
      kept.answered = true;
      for (const answer of answersTo(await comparisons(kept.input), kept.input, random)) {
        if (performance.now() >= end) break;
        await attempt(answer.subarray(0, limit));
      }
    }
    const other = corpus[Math.floor(random() * corpus.length)]!.input;
    for (let i = 0; i < 64; i++) await attempt(mutate(kept.input, other, dictionary, limit, random));
  }
  tell({ kind: 'done', runs, places, corpus: covering(corpus) });

  async function comparisons(input: Buffer): Promise<readonly Pair[]> {
    probe.pairs.length = 0;
    probe.tracing = true;
    await tryInput(target, input).catch(() => undefined);
    probe.tracing = false;
    return [...probe.pairs];
  }
}

/** As AFL: 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more. */
function bucketOf(count: number): number {
  return count <= 3 ? count - 1 : count < 8 ? 3 : count < 16 ? 4 : count < 32 ? 5 : count < 128 ? 6 : 7;
}

function placesOf(counters: Uint16Array): ReadonlySet<number> {
  const places = new Set<number>();
  for (let place = 0; place < counters.length; place++) if (counters[place] !== 0) places.add(place);
  return places;
}

/** The few inputs that together reach all places, short ones first. */
function covering(corpus: readonly Kept[]): Uint8Array[] {
  const reached = new Set<number>();
  return corpus
    .toSorted((a, b) => a.input.length - b.input.length)
    .flatMap(({ input, places }) => {
      const before = reached.size;
      for (const place of places) reached.add(place);
      return reached.size === before ? [] : [Uint8Array.from(input)];
    });
}

function saved(folder: string): Buffer[] {
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(`${folder}/${name}`));
}

/** The name of an input's file. */
export function inputName(input: Uint8Array): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 12);
}

function tell(report: FuzzReport): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
  parentPort!.postMessage(report);
}

if (!isMainThread) await main(workerData as FuzzJob);
