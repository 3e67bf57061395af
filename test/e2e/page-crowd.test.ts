import test from 'ava';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import type { SwarmDocument, SwarmPullDetail } from '../../src/status/swarm-document.ts';
import { axeViolations, openPage, startBrowser } from '../support/browser.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { pushLayout } from '../support/images.ts';
import { lastingPort } from '../support/lasting-port.ts';
import { type Agent, bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { observe } from '../support/observe.ts';
import { OciLayout } from '../support/oci-layout.ts';
import { runOk } from '../support/process.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const NODES = 6;
const LAYERS = 4;
const LAYER_BYTES = 6 << 20;
/** The crowd takes some seconds, so that there is something to see. */
const RATE = '4MB/s';

test('six nodes in a cold crowd, on the page of one: what it says is what the API says and what was counted, and what goes wrong is named', async (t) => {
  if (!requireTool(t, 'chromium', 'docker-registry')) return;
  t.timeout(240_000);
  const began = performance.now();
  const lap = (what: string): void => {
    t.log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${what}`);
  };
  const layout = await OciLayout.create(join(tempDir(t, 'img'), 'layout'));
  const layers = await Promise.all(
    Array.from({ length: LAYERS }, async (_, index) => await layout.addLayer({ [`layer-${index}`]: randomBytes(LAYER_BYTES) }, 'none')),
  );
  await layout.addImage({ layers, tag: 'v1' });
  const origin = await startDockerRegistry(t);
  const { digest } = await pushLayout(origin, layout, 'v1', 'team/app');
  const swarmKey = await makeSwarmKey(t);
  const shown = await lastingPort();
  const isRoot = process.getuid?.() === 0;
  const disk = join(tempDir(t, 'disk'), 'd');
  mkdirSync(disk);
  const start = async (index: number, first?: Agent): Promise<Agent> =>
    await startAgent(t, {
      swarmKey,
      origin: origin.url,
      ...(first === undefined ? {} : { bootstrap: bootstrapOf(first) }),
      ...(index === NODES ? { data: join(disk, 'data') } : {}),
      args: [
        '--name',
        `node-${index}`,
        '--zone',
        index <= NODES / 2 ? 'left' : 'right',
        '--limits-download',
        RATE,
        ...(index === 1 ? ['--status', `127.0.0.1:${shown}`] : []),
      ],
    });
  if (isRoot) {
    await runOk('mount', ['-t', 'tmpfs', '-o', 'size=700m', 'none', disk]);
    t.teardown(async () => {
      await runOk('umount', ['-l', disk]);
    });
  }
  const first = await start(1);
  const [browser, ...others] = await Promise.all([
    startBrowser(t),
    ...Array.from({ length: NODES - 1 }, (_, index) => start(index + 2, first)),
  ]);
  const agents = [first, ...others];
  await first.waitForPeers(NODES - 1);

  lap('nodes are up');
  const { page, errors } = await openPage(browser, first.info.status, { width: 1280 });
  await page.waitForFunction((count) => document.querySelectorAll('.tile .dot.ok').length === count, NODES);
  t.is(await page.locator('#name').innerText(), 'node-1');
  t.deepEqual(await page.locator('.zone strong').allInnerTexts(), ['left', 'right']);

  lap('page is live');
  // The crowd, as it is seen
  const pulling = Promise.all(agents.map((agent) => agent.cliOk(['pull', 'team/app:v1'])));
  pulling.catch(() => undefined);
  await page.waitForSelector('.transfer .strip i:not(.c-missing)');
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.transfer .strip')].some((strip) =>
      /% from .*; without a gap from its beginning: \d/.test(strip.getAttribute('aria-label') ?? ''),
    ),
  );
  const moving = await waitFor('parts of a blob', async () => {
    const found = Object.values((await swarmOf(first)).transfers).filter(
      ({ strip, haveBytes, sizeBytes }) => strip.length > 0 && haveBytes > sizeBytes! / 4,
    );
    return found.length > 0 && found;
  });
  for (const { strip, sources, haveBytes, sizeBytes } of moving) {
    t.is(strip.length, 48);
    t.true(
      strip.every((index) => index >= -1 && index < sources.length),
      JSON.stringify({ strip, sources }),
    );
    const filled = strip.filter((index) => index >= 0).length / 48;
    t.true(Math.abs(filled - haveBytes / sizeBytes!) < 0.35, JSON.stringify({ strip, haveBytes, sizeBytes }));
  }
  await page.waitForSelector(
    'svg.flows .ribbon.c-0, svg.flows .ribbon.c-1, svg.flows .ribbon.c-2, svg.flows .ribbon.c-3, svg.flows .ribbon.c-4, svg.flows .ribbon.c-5',
  );
  await pulling;

  lap('pulled');
  // What it says afterwards is what all say
  await page.waitForFunction((count) => document.querySelectorAll('#pulls .row').length === count, NODES);
  await page.waitForFunction((text) => document.getElementById('images')?.textContent?.includes(text), `${NODES} of ${NODES}`);
  await page.waitForFunction(() => document.querySelectorAll('.transfer').length === 0);
  const statuses = await Promise.all(agents.map((agent) => agent.status()));
  const sums = {
    origin: sum(statuses.map(({ traffic }) => traffic.fromOriginBytes)),
    peers: sum(statuses.map(({ traffic }) => traffic.fromPeersBytes)),
  };
  const swarm = await swarmOf(first);
  t.deepEqual(swarm.about.today, { originBytes: sums.origin, peersBytes: sums.peers });
  t.deepEqual([sum(swarm.about.hour.origin), sum(swarm.about.hour.peers)], [sums.origin, sums.peers]);
  // its log may lag behind its answers, and of one that is broken off it may have sent more than arrived
  await waitFor(`the registry to have counted the ${sums.origin} bytes`, () => origin.blobBytes() >= sums.origin);
  t.true(origin.blobBytes() <= 1.1 * sums.origin, `${origin.blobBytes()} of the registry, ${sums.origin} of the nodes`);
  t.true(sums.origin + sums.peers >= NODES * LAYERS * LAYER_BYTES);
  const share = Math.min(99, Math.max(1, Math.round((sums.peers / (sums.peers + sums.origin)) * 100)));
  await page.waitForFunction((text) => document.getElementById('saved')?.textContent?.includes(text), `${share}\u00a0% from peers`);
  t.like(Object.values(swarm.images)[0], { digest, holds: NODES, partly: 0, lacks: 0 });
  t.deepEqual(
    Object.values(swarm.nodes)
      .map(({ name }) => name)
      .sort(),
    agents.map((_, index) => `node-${index + 1}`),
  );

  lap('figures agree');
  // A pull of another node tells its verdict there and here
  const pull = Object.values(swarm.pulls).find(({ node }) => node === others[2]!.info.peerId)!;
  const { verdict } = await others[2]!.cliJson<SwarmPullDetail>(['why', 'team/app:v1']);
  t.is(pull.verdict, verdict);
  const row = page.locator('#pulls .row', { hasText: 'node-4' });
  await row.locator('summary').click();
  await row.locator('.strip').first().waitFor();
  // of each blob of some size, in its order
  t.true((await row.locator('.blobs .strip').count()) >= LAYERS);
  for (const label of await row.locator('.blobs .strip').evaluateAll((strips) => strips.map((strip) => strip.getAttribute('aria-label'))))
    t.regex(label!, /% from .*; without a gap from its beginning: 100/);
  t.is(await row.locator('.verdict').innerText(), verdict);
  t.regex(await row.innerText(), new RegExp(pull.id));

  lap('why');

  // What an operator starts on one node is seen on another's page
  await others[1]!.cliOk(['pull', '--all', 'team/app:v1']);
  await says(page, '#jobs', 'Preheat team/app:v1');
  await says(page, '#jobs', 'on node-3, done');
  lap('preheat');
  for (const [width, colorScheme] of [
    [1280, 'light'],
    [390, 'dark'],
  ] as const) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    t.deepEqual(await axeViolations(page), [], `${width} px, ${colorScheme}`);
    t.is(await page.evaluate(() => document.documentElement.scrollWidth), width);
  }
  t.deepEqual(errors, []);

  lap('axe');
  // What goes wrong
  await startAgent(t, { swarmKey: await makeSwarmKey(t), origin: origin.url, bootstrap: bootstrapOf(first), args: ['--name', 'stranger'] });
  if (isRoot) await runOk('fallocate', ['-l', '500M', join(disk, 'ballast')]);
  await origin.stop();
  await says(page, '#health', 'a node at 127.0.0.1 has another swarm key');
  await says(page, '#health', 'is unreachable');
  await says(page, '#troubles', 'connection refused');
  await says(page, '#troubles', `and ${NODES - 1}\u00a0more nodes, origin`);
  if (isRoot) await says(page, '#troubles', 'below the reserve of 256 MiB: nothing new is kept');
  await says(page, '#registries', `${NODES} of ${NODES} cannot use it`);

  lap('troubles are named');
  // The node itself goes, and comes back
  await first.stop();
  await page.waitForSelector('body[data-link=lost]');
  await startAgent(t, {
    data: first.data,
    swarmKey,
    origin: origin.url,
    bootstrap: bootstrapOf(others[0]!),
    args: ['--name', 'node-1', '--status', `127.0.0.1:${shown}`],
  });
  await page.waitForSelector('body[data-link=live]');
  await page.waitForFunction((text) => document.getElementById('saved')?.textContent?.includes(text), `${share}\u00a0% from peers`);
  lap('back');
  await page.close();
});

async function says(page: Page, selector: string, text: string): Promise<void> {
  await page.waitForFunction(([where, what]) => document.querySelector(where!)?.textContent?.includes(what!), [selector, text], {
    timeout: 60_000,
  });
}

async function swarmOf(agent: Agent): Promise<SwarmDocument> {
  return JSON.parse((await observe(agent, '/api/v1/swarm')).body) as SwarmDocument;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
