import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CleanupStack } from '../support/cleanup.ts';
import { makeOriginImages } from './origin-images.ts';
import { drawPlan, type Plan, readPlan, stepText, without } from './plan.ts';
import { play } from './play.ts';
import { shrink } from './shrink.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `Breaks real agents in network namespaces by random schedules, and looks whether what must hold did. As root.
  npm run chaos -- [--runs 10] [--seed N] [--plan FILE] [--liars] [--without KIND…] [--patience 1] [--shrink 8] [--out DIR]
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
    out: { type: 'string', default: join(tmpdir(), 'layerswarm-chaos') },
  },
} as const;
const { plans, patience, shrinkRuns, out } = scriptArguments(USAGE, OPTIONS, ({ values }) => {
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
    out: values.out,
  };
});
// Agents start in half the time when what they compile is kept.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'layerswarm-chaos-cache');
/** Milliseconds that an interrupted schedule has to find out that its world is gone. */
const ABANDON_MS = 20_000;

const cleanup = new CleanupStack();
/** Of the schedule that runs. */
let running = new CleanupStack();
let failures = 0;
/** Ends when the schedule does, whatever comes of it. */
let played: Promise<unknown> = Promise.resolve();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true;
    void (async () => {
      await running.undo().catch(() => undefined);
      // what was being started meanwhile is undone as soon as it is there
      await Promise.race([played, delay(ABANDON_MS)]);
      await Promise.allSettled([running.undo(), cleanup.undo()]);
      process.exit(130);
    })();
  });
}
try {
  const images = await makeOriginImages(cleanup, [...new Set(plans.flatMap((plan) => plan.images))]);
  const playOnce = async (plan: Plan): Promise<readonly string[]> => {
    // Nothing is begun any more: the process ends when what runs is taken back.
    if (interrupted) return await new Promise(() => undefined);
    running = new CleanupStack();
    const playing = play(plan, images, {
      patience,
      cleanup: running,
      log: (line) => {
        console.log(`  ${line}`);
      },
    });
    played = playing.catch(() => undefined);
    const { broken, seconds, logs } = await playing;
    if (interrupted) return [];
    console.log(
      `  ${broken.length === 0 ? 'held' : 'BROKEN'} after ${seconds.toFixed(0)} s${broken.map((line) => `\n    ${line.replaceAll('\n', '\n      ')}`).join('')}`,
    );
    if (broken.length > 0) keep(plan, broken, logs);
    return broken;
  };
  for (const plan of plans) {
    console.log(
      `seed ${plan.seed}: ${plan.nodes} nodes at ${plan.rate / 1e6} Mbit/s, images ${plan.images.join(', ')}${plan.tokenMs === undefined ? '' : `, tokens for ${plan.tokenMs} ms`}${plan.auto.length === 0 ? '' : `, auto ${plan.auto.join(', ')}`}${plan.liars.map(({ node, lies }) => `, node ${node} lies (${lies.join(', ')})`).join('')}`,
    );
    for (const step of plan.steps) console.log(`  ${stepText(step)}`);
    if ((await playOnce(plan)).length === 0) continue;
    failures += 1;
    if (shrinkRuns === 0) continue;
    const smallest = await shrink(plan, async (candidate) => (await playOnce(candidate)).length > 0, shrinkRuns);
    console.log(
      `  the smallest plan of seed ${plan.seed} that failed: ${keep(smallest, [], [], 'smallest-')}\n${smallest.steps.map((step) => `    ${stepText(step)}`).join('\n')}`,
    );
  }
  console.log(`${plans.length} schedules, ${failures} broken`);
} finally {
  await cleanup.undo();
}
if (failures > 0) process.exitCode = 1;

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
