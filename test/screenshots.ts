import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { StatusServer } from '../src/status/status-server.ts';
import { openPage, startBrowser, type Look } from './support/browser.ts';
import { CleanupStack } from './support/cleanup.ts';
import { healthSample, statusSample } from './support/status-sample.ts';
import { makeSwarm, SwarmSample, type SwarmSize } from './support/swarm-sample.ts';
import { scriptArguments } from './support/script-arguments.ts';

const USAGE = `Takes the pictures of the page in the README, of a made-up swarm; into another FOLDER, those of every size and state. Needs Debian's 'chromium'.
  npm run screenshots -- [FOLDER]`;

const given = scriptArguments(USAGE, { allowPositionals: true }, ({ positionals }) => positionals[0]);
const folder = given ?? join(import.meta.dirname, '../docs');

interface Shot extends Look {
  readonly name: string;
  readonly swarm: SwarmSize;
  readonly full?: boolean;
  /** Selector of what is opened first. */
  readonly open?: string;
}

const SMALL = { nodes: 8, images: 24, moving: 4 };
const LARGE = { nodes: 300, images: 400, moving: 40 };
const SHOTS: readonly Shot[] = [
  { name: 'status-page', width: 1280, height: 1420, swarm: SMALL },
  { name: 'status-page-dark', width: 1280, height: 1420, scheme: 'dark', swarm: SMALL },
];
/** For whoever changes the page: every size and state of it. */
const MORE: readonly Shot[] = [
  { name: 'all-1280', width: 1280, full: true, swarm: SMALL, open: '#pulls summary >> nth=1' },
  { name: 'all-1280-dark', width: 1280, full: true, scheme: 'dark', swarm: SMALL, open: '#images summary >> nth=1' },
  { name: 'all-390', width: 390, full: true, swarm: SMALL, open: '#pulls summary >> nth=1' },
  { name: 'large-1280', width: 1280, full: true, swarm: LARGE },
  { name: 'large-390-dark', width: 390, full: true, scheme: 'dark', swarm: LARGE },
  { name: 'empty-1280', width: 1280, full: true, swarm: { nodes: 1, images: 0 } },
];

mkdirSync(folder, { recursive: true });
const cleanup = new CleanupStack();
try {
  const browser = await startBrowser(cleanup);
  for (const { name, swarm, full = false, open, ...look } of [...SHOTS, ...(given === undefined ? [] : MORE)]) {
    const server = new StatusServer({
      listen: { host: '127.0.0.1', port: 0 },
      source: { status: () => statusSample, settled: () => Promise.resolve(), receipts: () => [], health: () => healthSample },
      swarm: new SwarmSample(makeSwarm(swarm)),
      metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
      onError: (error) => {
        throw error;
      },
    });
    await server.start();
    const { page, errors } = await openPage(browser, server.url, look);
    await page.waitForSelector('body[data-link=live] .zone');
    if (open !== undefined) {
      await page.click(open);
      await page.waitForSelector('.more > :nth-child(2)', { state: 'attached' });
    }
    await page.evaluate(() => {
      window.scrollTo(0, 0);
    });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: full });
    await page.close();
    await server.stop();
    if (errors.length > 0) throw new Error(errors.join('\n'));
    process.stdout.write(`${join(folder, `${name}.png`)}\n`);
  }
} finally {
  await cleanup.undo();
}
