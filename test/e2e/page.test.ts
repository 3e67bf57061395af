import test, { type ExecutionContext } from 'ava';
import type { ServerResponse } from 'node:http';
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import { EntryDiff } from '../../src/status/entry-diff.ts';
import { PAGE_POLICY, pageFiles } from '../../src/status/page.ts';
import type { SwarmDocument } from '../../src/status/swarm-document.ts';
import { axeViolations, openPage, startBrowser } from '../support/browser.ts';
import { CleanupStack } from '../support/cleanup.ts';
import { type RunningServer, serve } from '../support/http-server.ts';
import { requireTool } from '../support/require-tool.ts';
import { makeSwarm } from '../support/swarm-sample.ts';

/** An hour of a second each. */
const HOUR = 3600;

const shared = new CleanupStack();
let started: Promise<BrowserContext> | undefined;
/** One for all tests: what they do, they do in tabs of their own. */
const browser = (): Promise<BrowserContext> => (started ??= startBrowser(shared));
test.after.always(() => shared.undo());

/** A made-up node: its page, and events as the test sends them. */
interface FakeNode extends RunningServer {
  tell(document: SwarmDocument): void;
  hangUp(): void;
  readonly listeners: ReadonlySet<ServerResponse>;
}

async function startNode(t: ExecutionContext, first: SwarmDocument): Promise<FakeNode> {
  const listeners = new Set<ServerResponse>();
  const diff = new EntryDiff();
  diff.change({ ...first });
  const server = await serve(t, (request, response) => {
    const file = pageFiles().get(request.url ?? '');
    if (file !== undefined) {
      response.writeHead(200, { 'Content-Type': file.contentType, 'Content-Security-Policy': PAGE_POLICY }).end(file.body);
    } else if (request.url === '/api/v1/swarm/events') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(`event: swarm\ndata: ${diff.whole()}\n\n`);
      listeners.add(response);
      response.on('close', () => listeners.delete(response));
    } else {
      response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"error":"nothing here"}');
    }
  });
  return {
    ...server,
    listeners,
    tell: (document) => {
      const change = diff.change({ ...document });
      if (change !== undefined) for (const listener of listeners) listener.write(`event: swarm\ndata: ${change}\n\n`);
    },
    hangUp: () => {
      for (const listener of listeners) listener.destroy();
    },
  };
}

const SMALL = makeSwarm({ nodes: 3, images: 12, moving: 3 });
const LARGE = makeSwarm({ nodes: 300, images: 400, moving: 40 });

const SOME_LOOKS = [
  [1280, 'light'],
  [390, 'dark'],
] as const;
const LOOKS = [...SOME_LOOKS, [1280, 'dark'], [390, 'light']] as const;

for (const [size, swarm] of [
  ['three nodes', SMALL],
  ['300 nodes and 400 images', LARGE],
  ['a node alone', makeSwarm({ nodes: 1, images: 0 })],
] as const) {
  for (const [width, scheme] of size === 'a node alone' ? SOME_LOOKS : LOOKS) {
    test(`${size} at ${width} px, ${scheme}: nothing in the way of anybody, nothing beyond the edge, and not endless`, async (t) => {
      if (!requireTool(t, 'chromium')) return;
      const node = await startNode(t, swarm);
      const { page, errors } = await openPage(await browser(), node.url, { width, scheme });
      await page.waitForSelector('body[data-link=live] .zone');
      if (Object.keys(swarm.pulls).length > 1) await page.locator('#pulls summary').nth(1).click();
      t.deepEqual(await axeViolations(page), []);
      const [wide, high, elements] = await page.evaluate(
        () => [document.documentElement.scrollWidth, document.documentElement.scrollHeight, document.querySelectorAll('*').length] as const,
      );
      t.is(wide, width);
      t.true(high < 8000, `${high} px high`);
      t.true(elements < 6000, `${elements} elements`);
      // the figures of the pull that was opened are not there
      t.deepEqual(
        errors.filter((line) => !line.includes('404')),
        [],
      );
      await page.close();
    });
  }
}

test('a person finds things by keyboard: skips to the swarm, filters, opens, turns pages', async (t) => {
  if (!requireTool(t, 'chromium')) return;
  const node = await startNode(t, LARGE);
  const { page } = await openPage(await browser(), node.url, { width: 1280 });
  await page.waitForSelector('body[data-link=live] .zone');
  await page.keyboard.press('Tab');
  t.is(await focused(page), 'Skip to the swarm');
  await page.keyboard.press('/');
  await page.keyboard.type('node-217');
  await page.waitForFunction(() => document.getElementById('filter-hint')?.textContent?.startsWith('1\u00a0node,'));
  await page.locator('.zone summary').focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('.tile');
  t.is(await page.locator('.tile').count(), 1);
  t.regex(await page.locator('.tile').innerText(), /node-217/);
  await page.locator('#filter').focus();
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.getElementById('filter-hint')?.textContent === '');
  t.is(await page.locator('#images .row').count(), 15);
  await page.locator('#images .pager button').nth(1).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#images .pager span')?.textContent === '16–30 of 400');
  await page.locator('#images summary').first().focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('#images details[open] .more p');
  // what is open stays open when something changes, and who has the focus keeps it
  node.tell({ ...LARGE, about: { ...LARGE.about, today: { originBytes: 0, peersBytes: 2 ** 40 } } });
  await page.waitForFunction(() => document.getElementById('saved')?.textContent?.includes('100\u00a0% from peers'));
  t.true(
    await page
      .locator('#images details')
      .first()
      .evaluate((details) => (details as HTMLDetailsElement).open && document.activeElement === details.firstElementChild),
  );
  await page.close();
});

test('a page that is cut off says so, and comes back by itself', async (t) => {
  if (!requireTool(t, 'chromium')) return;
  const node = await startNode(t, SMALL);
  const { page } = await openPage(await browser(), node.url, { width: 1280 });
  await page.waitForSelector('body[data-link=live] .tile');
  node.hangUp();
  await page.waitForSelector('body[data-link=lost]');
  t.regex(await page.locator('#link').innerText(), /^disconnected since .*; trying again$/);
  await page.waitForSelector('body[data-link=live]');
  t.is(await page.locator('#link').innerText(), 'live');
  t.is(node.listeners.size, 1);
  await page.close();
});

test('names that strangers chose are text, however they look', async (t) => {
  if (!requireTool(t, 'chromium')) return;
  const evil = '<img src=x onerror=alert(1)>"\'&<script>document.title="taken"</script>';
  const nodes = Object.fromEntries(
    Object.entries(SMALL.nodes).map(([key, node]) => [key, { ...node, name: evil, zone: evil, sentence: evil }]),
  );
  const node = await startNode(t, { ...SMALL, nodes, images: { __proto__x: { ...Object.values(SMALL.images)[0]!, reference: evil } } });
  const { page, errors } = await openPage(await browser(), node.url, { width: 390 });
  await page.waitForSelector('body[data-link=live] .tile');
  t.is(await page.locator('main img, main script').count(), 0);
  t.true((await page.locator('.tile').first().innerText()).includes(evil.slice(0, 20)));
  t.is(await page.locator('#images .cell.name .value').innerText(), evil);
  t.is(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  t.deepEqual(errors, []);
  await page.close();
});

test('a page left open for an hour of traffic does not grow', async (t) => {
  if (!requireTool(t, 'chromium')) return;
  const node = await startNode(t, SMALL);
  const { page } = await openPage(await browser(), node.url, { width: 1280 });
  await page.waitForSelector('body[data-link=live] .tile');
  const session = await page.context().newCDPSession(page);
  let round = 0;
  const feed = async (rounds: number): Promise<void> => {
    for (const end = round + rounds; round < end; round++) {
      node.tell(moved(round));
      // what a browser draws between two events
      if (round % 60 === 0)
        await page.evaluate(
          () =>
            new Promise((resolve) => {
              requestAnimationFrame(resolve);
            }),
        );
    }
    await page.waitForFunction((last) => document.getElementById('images')?.textContent?.includes(`:round-${last}`) === true, round - 1);
  };
  await feed(HOUR / 10);
  const before = await size(session);
  await feed(HOUR);
  const after = await size(session);
  t.log(before, after);
  t.true(after.nodes <= before.nodes * 1.1 + 200, 'elements');
  t.true(after.listeners <= before.listeners * 1.1 + 50, 'listeners');
  t.true(after.bytes <= before.bytes * 1.2 + 2 ** 20, 'memory');
  await page.close();
});

/** Everything is new each time: transfers, flows, pulls, images, and nodes that come and go. */
function moved(round: number): SwarmDocument {
  const document = makeSwarm({ nodes: 5 + (round % 3), images: 3, moving: 3, now: 1_760_000_000_000 + round * 1000 });
  const renewed = <T extends object>(entries: Readonly<Record<string, T>>, change: (entry: T) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(entries).map(([key, entry]) => [`${key}-${round}`, change(entry)]));
  return {
    ...document,
    transfers: renewed(document.transfers, (transfer) => ({ ...transfer, digest: `sha256:${round.toString(16).padStart(64, '0')}` })),
    pulls: renewed(document.pulls, (pull) => ({ ...pull, id: round.toString(16).padStart(12, '0') })),
    images: renewed(document.images, (image) => ({ ...image, reference: `team/app:round-${round}` })),
    nodes: {
      ...document.nodes,
      [`visitor-${round}`]: {
        ...Object.values(document.nodes)[0]!,
        number: 1000 + round,
        peerId: `visitor-${round}`,
        name: `visitor-${round}`,
        isSelf: false,
      },
    },
  };
}

async function size(session: CDPSession): Promise<{ nodes: number; listeners: number; bytes: number }> {
  await session.send('HeapProfiler.collectGarbage');
  await session.send('Performance.enable');
  const { metrics } = await session.send('Performance.getMetrics');
  const value = (name: string): number => metrics.find((metric) => metric.name === name)!.value;
  return { nodes: value('Nodes'), listeners: value('JSEventListeners'), bytes: value('JSHeapUsedSize') };
}

async function focused(page: Page): Promise<string> {
  return await page.evaluate(() => document.activeElement?.textContent ?? '');
}
