import { setTimeout as delay } from 'node:timers/promises';
import { type Cleanup, CleanupStack } from '../support/cleanup.ts';
import { judge, mayFail } from './judge.ts';
import type { ChaosNode } from './node.ts';
import type { OriginImages } from './origin-images.ts';
import type { Plan } from './plan.ts';
import { type Pull, pull } from './pull.ts';
import { doStep } from './steps.ts';
import { makeWorld, type World } from './world.ts';

export interface PlayOptions {
  /** Every bound is longer by this factor: for a busy machine. */
  readonly patience?: number;
  readonly log?: (line: string) => void;
  /** Where what is started is left, for whoever may have to end it in the middle. */
  readonly cleanup?: CleanupStack;
  /** The program that members run who do not lie; that of the sources without. */
  readonly main?: string;
}

export interface Outcome {
  /** What was broken, one line each; empty where all held. */
  readonly broken: readonly string[];
  readonly seconds: number;
  /** Of each node, all that its runs wrote. */
  readonly logs: readonly string[];
}

/** Milliseconds that a pull may take once nothing is wrong any more, beside what its bytes need. */
const CALM_MS = 60_000;
/** The same where it may end in an error: what is right then does not come of waiting. */
const MAY_FAIL_MS = 10_000;

/** Plays a plan, takes everything back, has every node pull everything, and looks at what is left. */
export async function play(
  plan: Plan,
  images: OriginImages,
  { patience = 1, log = () => undefined, cleanup = new CleanupStack(), main }: PlayOptions = {},
): Promise<Outcome> {
  const begun = performance.now();
  let world: World | undefined;
  const logsOf = (): string[] => world?.nodes.map((node) => [...node.logs, node.agent?.program.stderr ?? ''].join('\n')) ?? [];
  const seconds = (): number => (performance.now() - begun) / 1000;
  try {
    world = await makeWorld(cleanup, plan, images, main);
    log(`${plan.nodes} nodes are ready after ${seconds().toFixed(0)} s`);
    const before = world.nodes.map((node) => (node.agent === undefined ? undefined : node.footprint()));
    const pulls = await playSteps(cleanup, world, plan, patience);
    log(`everything is taken back after ${seconds().toFixed(0)} s`);
    for (const node of world.nodes) await node.do(() => node.start());
    pulls.push(...(await pullAll(cleanup, world, plan, patience)));
    const [slowest] = pulls.toSorted((a, b) => b.result.seconds - a.result.seconds);
    log(
      `everything is pulled after ${seconds().toFixed(0)} s; the slowest pull, ${slowest === undefined ? 'none' : `of image ${slowest.image} by ${slowest.node.name} (${slowest.manner}), took ${slowest.result.seconds.toFixed(1)} s`}`,
    );
    const broken = await judge(world, plan, pulls, before, patience);
    log(`everything is judged after ${seconds().toFixed(0)} s`);
    return { broken, seconds: seconds(), logs: logsOf() };
  } catch (error) {
    return {
      broken: [`the schedule could not be played: ${(error as Error).stack ?? String(error)}`.slice(0, 4000)],
      seconds: seconds(),
      logs: logsOf(),
    };
  } finally {
    await cleanup.undo().catch((error: unknown) => {
      log(`not all could be undone: ${String(error)}`);
    });
  }
}

/** Ends when all faults have, and every client. */
async function playSteps(cleanup: Cleanup, world: World, plan: Plan, patience: number): Promise<Pull[]> {
  const start = performance.now();
  const until = Math.max(0, ...plan.steps.map((step) => step.at + ('for' in step ? step.for : 0)));
  const pulls: Pull[] = [];
  await Promise.all(
    plan.steps.map(async (step, number) => {
      await delay(Math.max(0, start + step.at - performance.now()));
      if (step.kind !== 'pull') {
        await doStep(world, plan, step, number);
        return;
      }
      const node = world.nodes[step.node]!;
      const { image, manner } = step;
      // a runtime tries until it is well again, and then as long as a pull may take
      const tryMs = until - step.at + calmMs(world, plan, node, image, patience);
      pulls.push({ node, image, manner, isCalm: false, result: await pull(cleanup, world, node, { image, manner, tryMs, patience }) });
    }),
  );
  return pulls;
}

async function pullAll(cleanup: Cleanup, world: World, plan: Plan, patience: number): Promise<Pull[]> {
  const able = world.nodes.filter(({ isLiar, agent }) => !isLiar && agent !== undefined);
  const pulls = await Promise.all(
    able.map(async (node) => {
      const own: Pull[] = [];
      for (const image of plan.images)
        own.push({
          node,
          image,
          manner: 'plain',
          isCalm: true,
          result: await pull(cleanup, world, node, { image, manner: 'plain', tryMs: calmMs(world, plan, node, image, patience), patience }),
        });
      return own;
    }),
  );
  return pulls.flat();
}

/** With as much again as all need who share the origin's line. */
function calmMs({ images }: World, plan: Plan, node: ChaosNode, image: number, patience: number): number {
  if (mayFail(plan, node)) return patience * MAY_FAIL_MS;
  const { nodes, rate } = plan;
  const bytes = images.images[image]!.blobs.reduce((sum, { size }) => sum + size, 0);
  return patience * (CALM_MS + (2 * nodes * bytes * 8 * 1000) / rate);
}
