import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import type { SwarmDocument } from '../../src/status/swarm-document.ts';
import { openPage, startBrowser } from '../support/browser.ts';
import { CleanupStack } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { observe } from '../support/observe.ts';
import { pullEverything } from '../support/registry-client.ts';
import { pushImage } from '../support/registry-content.ts';
import { waitFor } from '../support/wait-for.ts';
import { cpuSecondsOf, residentMemory, startBusyClock } from './cpu.ts';

// What a page costs in a swarm of real nodes: the one that it is of, and those that are asked. All are processes of this machine that hold
// images of one registry and have nothing to do; about 130 MB each. Build first: the built program starts faster.
//   node test/bench/page-nodes.ts [--nodes 60] [--images 400] [--each 8] [--seconds 60]

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '60' },
    images: { type: 'string', default: '400' },
    each: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '60' },
  },
});
const [NODES, IMAGES, EACH, SECONDS] = [values.nodes, values.images, values.each, values.seconds].map(Number) as [
  number,
  number,
  number,
  number,
];
const ZONES = 8;
const BUILT = join(import.meta.dirname, '../../dist/cli/main.js');
const STARTS_AT_ONCE = 3;
const PULLS_AT_ONCE = 3;

const cleanup = new CleanupStack();
process.once('SIGINT', () => void cleanup.undo());
try {
  const registry = await startDockerRegistry(cleanup);
  for (let image = 0; image < IMAGES; image++) await pushImage(registry, `team/app-${image}`, 'v1', [Buffer.alloc(2000, `image ${image}`)]);
  say(`${IMAGES} images are pushed`);
  const swarmKey = await makeSwarmKey(cleanup);
  const agents: Agent[] = [];
  const start = async (index: number): Promise<Agent> => {
    const agent = await startAgent(cleanup, {
      origin: registry.url,
      swarmKey,
      bootstrap: bootstrapOf(...agents.slice(0, 1)),
      args: ['--name', `node-${index}`, '--zone', `rack-${index % ZONES}`],
      ...(existsSync(BUILT) ? { main: BUILT } : {}),
    });
    if (index % 10 === 0) say(`${index} nodes run`);
    return agent;
  };
  agents.push(await start(0));
  for (let index = 1; index < NODES; index += STARTS_AT_ONCE)
    agents.push(...(await Promise.all(Array.from({ length: Math.min(STARTS_AT_ONCE, NODES - index) }, (_, more) => start(index + more)))));
  const viewer = agents[0]!;
  await waitFor('all members', async () => (await viewer.status()).peers.length >= NODES - 1, { deadline: 600_000, interval: 2000 });
  say('all are members of the viewer');
  const jobs = agents.flatMap((agent, index) =>
    Array.from({ length: EACH }, (_, place) => ({ agent, image: (index * EACH + place) % IMAGES })),
  );
  const queue = jobs.values();
  await Promise.all(
    Array.from({ length: PULLS_AT_ONCE }, async () => {
      for (const { agent, image } of queue)
        await waitFor('a pull', async () => (await pullEverything(agent.registry, `team/app-${image}`, 'v1')) > 0, { deadline: 120_000 });
    }),
  );
  say(`${jobs.length} pulls are done`);
  await delay(30_000);

  const pids = agents.map(({ info }) => info.pid);
  const before = await shares(pids);
  const jsonBefore = await timed(async () => (await observe(viewer, '/api/v1/swarm')).body.length);
  const browser = await startBrowser(cleanup);
  const began = performance.now();
  const { page } = await openPage(browser, viewer.info.status, { width: 1280 });
  const firstPaint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN);
  await page.waitForSelector('body[data-link=live] .zone');
  const live = performance.now() - began;
  await page
    .waitForFunction((nodes) => document.querySelector('#nodes')?.textContent?.includes(`${nodes}`), NODES, { timeout: 60_000 })
    .catch(() => undefined);
  await waitFor(
    'all to have told',
    async () => (JSON.parse((await observe(viewer, '/api/v1/swarm')).body) as SwarmDocument).about.self.told >= NODES - 1,
    { deadline: 120_000, interval: 100 },
  );
  const all = performance.now() - began;
  await delay(10_000);
  const [during, busy] = [await shares(pids), await browserShare(page)];
  const json = await timed(async () => (await observe(viewer, '/api/v1/swarm')).body.length);
  const metrics = await timed(async () => (await observe(viewer, '/metrics')).body.length);
  const shown = await page.evaluate(() => ({
    height: document.documentElement.scrollHeight,
    elements: document.querySelectorAll('*').length,
  }));
  const filtered = await page.evaluate(async () => {
    const filter = document.querySelector<HTMLInputElement>('#filter')!;
    const start = performance.now();
    filter.value = 'node-7';
    filter.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    return performance.now() - start;
  });
  const rows: [string, string][] = [
    ['nodes, images', `${NODES}, ${IMAGES}, ${EACH} on each`],
    ['page: first paint, live, all nodes have told', `${firstPaint.toFixed(0)} ms, ${live.toFixed(0)} ms, ${(all / 1000).toFixed(1)} s`],
    ['its elements and height', `${shown.elements}, ${shown.height} px`],
    ['its main thread', busy],
    ['a word in its filter, until that is drawn', `${filtered.toFixed(0)} ms`],
    ['CPU of its node: without a page, with one', `${percent(before[0]!)}, ${percent(during[0]!)} of a core`],
    ['of the others, median: without, with', `${percent(middle(before.slice(1)))}, ${percent(middle(during.slice(1)))}`],
    ['of the others, most: without, with', `${percent(Math.max(...before.slice(1)))}, ${percent(Math.max(...during.slice(1)))}`],
    ['`/api/v1/swarm`: nobody looked before', `${jsonBefore.ms.toFixed(0)} ms, ${kib(jsonBefore.result)}`],
    ['`/api/v1/swarm`: with a page open', `${json.ms.toFixed(0)} ms, ${kib(json.result)}`],
    ['`/metrics`', `${metrics.ms.toFixed(0)} ms, ${kib(metrics.result)}`],
    [
      'memory of its node, of another',
      `${(residentMemory(pids[0]!).now / 1e6).toFixed(0)} MB, ${(residentMemory(pids[1]!).now / 1e6).toFixed(0)} MB`,
    ],
  ];
  process.stdout.write(`| real nodes | |\n|---|---|\n${rows.map(([name, value]) => `| ${name} | ${value} |\n`).join('')}`);
} finally {
  await cleanup.undo();
}

/** Of a core, each of the processes. */
async function shares(pids: readonly number[]): Promise<number[]> {
  const busy = startBusyClock();
  const [before, begin] = [pids.map((pid) => cpuSecondsOf([pid])), performance.now()];
  await delay(SECONDS * 1000);
  const seconds = (performance.now() - begin) / 1000;
  say(`the machine was ${percent(busy())} busy`);
  return pids.map((pid, index) => (cpuSecondsOf([pid]) - before[index]!) / seconds);
}

async function browserShare(page: Page): Promise<string> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const taskSeconds = async (): Promise<number> =>
    (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration')!.value;
  const [before, begin] = [await taskSeconds(), performance.now()];
  await delay(10_000);
  return `${percent(((await taskSeconds()) - before) / ((performance.now() - begin) / 1000))} of a core`;
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const begin = performance.now();
  const result = await work();
  return { result, ms: performance.now() - begin };
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
