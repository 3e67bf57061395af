import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CleanupStack } from '../support/cleanup.ts';
import { inParallel } from '../../src/async/in-parallel.ts';
import { cpuSecondsOf } from '../bench/cpu.ts';
import { releasedProgram } from '../support/released-program.ts';
import { tempDir } from '../support/temp-dir.ts';
import { makeOriginImages, type OriginImages } from './origin-images.ts';
import { drawPlan, type Plan, readPlan, stepText, without } from './plan.ts';
import { play } from './play.ts';
import { shrink } from './shrink.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `Breaks real agents in network namespaces by random schedules, and looks whether what must hold did. As root.
  npm run chaos -- [--runs 10] [--seed N] [--plan FILE] [--liars] [--without KIND…] [--patience 1] [--shrink 8] [--at-once 1] [--out DIR]
Run i has the seed N + i: a run that failed is had again by its own seed, or by the plan that it leaves in DIR with what all nodes said.`;

const OPTIONS = {
  options: {
    runs: { type: 'string', default: '10' },
    seed: { type: 'string' },
    plan: { type: 'string' },
    liars: { type: 'boolean' },
    without: { type: 'string', multiple: true },
    patience: { type: 'string', default: '1' },
    shrink: { type: 'string', default: '8' },
    'at-once': { type: 'string', default: '1' },
    out: { type: 'string', default: join(tmpdir(), 'layerswarm-chaos') },
  },
} as const;
const { plans, patience, shrinkRuns, atOnce, out } = scriptArguments(USAGE, OPTIONS, ({ values }) => {
  const runs = readNumber('--runs', values.runs);
  const firstSeed = readNumber('--seed', values.seed ?? String(Date.now() % 2 ** 32));
  const drawn = values.liars === true ? { withLiars: true } : {};
  const given = values.plan === undefined ? undefined : readFileSync(values.plan, 'utf8');
  return {
    plans: Array.from({ length: runs }, (_, i) =>
      given === undefined ? without(drawPlan(firstSeed + i, drawn), values.without ?? []) : readPlan(given),
    ),
    patience: readNumber('--patience', values.patience),
    shrinkRuns: readNumber('--shrink', values.shrink),
    atOnce: readNumber('--at-once', values['at-once'], 1),
    out: values.out,
  };
});
// Agents start in half the time when what they compile is kept.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'layerswarm-chaos-cache');
/** Milliseconds that an interrupted schedule has to find out that its world is gone. */
const ABANDON_MS = 20_000;

const cleanup = new CleanupStack();
/** Of the schedules that run. */
const running = new Set<CleanupStack>();
/** Each ends when its schedule does, whatever comes of it. */
const played = new Set<Promise<unknown>>();
let failures = 0;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true;
    const undoAll = async (): Promise<void> => {
      await Promise.allSettled(Array.from(running, (one) => one.undo()));
    };
    void (async () => {
      await undoAll();
      // what was being started meanwhile is undone as soon as it is there
      await Promise.race([Promise.all(played), delay(ABANDON_MS)]);
      await undoAll();
      await cleanup.undo().catch(() => undefined);
      process.exit(130);
    })();
  });
}
const begun = performance.now();
try {
  const main = await releasedProgram(join(import.meta.dirname, '../..'), join(tempDir(cleanup, 'chaos-program'), 'release'));
  const images = await makeOriginImages(cleanup, [...new Set(plans.flatMap((plan) => plan.images))]);
  await inParallel(atOnce, plans, async (plan) => {
    await playPlan(plan, images, main);
  });
  const seconds = (performance.now() - begun) / 1000;
  const cpu = cpuSecondsOf([process.pid]);
  console.log(
    `${plans.length} schedules, ${failures} broken; ${(seconds / plans.length).toFixed(1)} s and ${(cpu / plans.length).toFixed(1)} CPU-s each`,
  );
} finally {
  await cleanup.undo();
}
if (failures > 0) process.exitCode = 1;

async function playPlan(plan: Plan, images: OriginImages, main: string): Promise<void> {
  // What is said of one stands together, also where several are played at once.
  const lines = [
    `seed ${plan.seed}: ${plan.nodes} nodes at ${plan.rate / 1e6} Mbit/s, images ${plan.images.join(', ')}${plan.tokenMs === undefined ? '' : `, tokens for ${plan.tokenMs} ms`}${plan.auto.length === 0 ? '' : `, auto ${plan.auto.join(', ')}`}${plan.liars.map(({ node, lies }) => `, node ${node} lies (${lies.join(', ')})`).join('')}`,
    ...plan.steps.map((step) => `  ${stepText(step)}`),
  ];
  const flush = (): void => {
    console.log(lines.splice(0).join('\n'));
  };
  const playOnce = async (candidate: Plan): Promise<readonly string[]> => {
    // Nothing is begun any more: the process ends when what runs is taken back.
    if (interrupted) return await new Promise(() => undefined);
    const own = new CleanupStack();
    running.add(own);
    const playing = play(candidate, images, {
      main,
      patience,
      cleanup: own,
      log: (line) => {
        lines.push(`  ${line}`);
      },
    });
    const ended = playing.catch(() => undefined);
    played.add(ended);
    const { broken, seconds, logs } = await playing.finally(() => {
      running.delete(own);
      played.delete(ended);
    });
    if (interrupted) return [];
    lines.push(
      `  ${broken.length === 0 ? 'held' : 'BROKEN'} after ${seconds.toFixed(0)} s${broken.map((line) => `\n    ${line.replaceAll('\n', '\n      ')}`).join('')}`,
    );
    flush();
    if (broken.length > 0) keep(candidate, broken, logs);
    return broken;
  };
  if ((await playOnce(plan)).length === 0) return;
  failures += 1;
  if (shrinkRuns === 0) return;
  const smallest = await shrink(plan, async (candidate) => (await playOnce(candidate)).length > 0, shrinkRuns);
  lines.push(
    `  the smallest plan of seed ${plan.seed} that failed: ${keep(smallest, [], [], 'smallest-')}`,
    ...smallest.steps.map((step) => `    ${stepText(step)}`),
  );
  flush();
}

/** Path of the plan's file. */
function keep(plan: Plan, broken: readonly string[], logs: readonly string[], prefix = ''): string {
  const folder = join(out, `${prefix}${plan.seed}`);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'plan.json');
  writeFileSync(file, JSON.stringify(plan, undefined, 2));
  if (broken.length > 0) writeFileSync(join(folder, 'broken.txt'), `${broken.join('\n')}\n`);
  for (const [i, log] of logs.entries()) writeFileSync(join(folder, `node${i}.log`), log);
  return file;
}
