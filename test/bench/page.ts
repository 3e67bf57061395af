import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { makeSummary, newsOf, type SummaryFacts } from '../../src/agent/swarm-view/summary.ts';
import { Digest } from '../../src/oci/digest.ts';
import { Libp2pNetwork } from '../../src/swarm/network/libp2p-network.ts';
import { deriveSwarmKey } from '../../src/swarm/network/swarm-key.ts';
import { openPage, startBrowser } from '../support/browser.ts';
import { CleanupStack } from '../support/cleanup.ts';
import { makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { observe } from '../support/observe.ts';
import { healthSample, receiptSample, statusSample } from '../support/status-sample.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';
import { cpuSecondsOf, residentMemory } from './cpu.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `What a page costs the node that it is of, in swarms of several sizes. The node, its page and the browser are real; the other members are
libp2p nodes of this process that show the key and tell of themselves over the wire, with made-up content: 40 of 400 images each, the last
20 pulls, and every fourth of them three transfers that move.
  node test/bench/page.ts [--members 10,40] [--seconds 60]`;

const OPTIONS = { options: { members: { type: 'string', default: '10,40' }, seconds: { type: 'string', default: '60' } } } as const;
const { counts, watchedSeconds } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  counts: values.members.split(',').map((count) => readNumber('--members', count, 1)),
  watchedSeconds: readNumber('--seconds', values.seconds, 1),
}));
/** Members of the node are what counts, not of each other. */
const MEMBERS_OF_MEMBER = 4;
const GIB = 2 ** 30;

process.stdout.write(
  '| members | CPU without a page | with one open | the swarm as JSON | elements of the page | its height | memory of the node |\n|---|---|---|---|---|---|---|\n',
);
for (const count of counts) {
  const cleanup = new CleanupStack();
  try {
    const keyFile = await makeSwarmKey(cleanup);
    const viewer = await startAgent(cleanup, {
      origin: 'embedded',
      swarmKey: keyFile,
      args: ['--name', 'node-0', '--limits-members', String(Math.max(256, count + 8))],
    });
    const { pid, multiaddrs, status } = viewer.info;
    const key = deriveSwarmKey(readFileSync(keyFile));
    for (let index = 1; index <= count; index++) {
      const member = await Libp2pNetwork.create({
        dataDir: tempDir(cleanup, 'member'),
        listen: ['/ip4/127.0.0.1/tcp/0'],
        swarmKeys: [key],
        bootstrap: multiaddrs,
        mdns: false,
        maxNeighbours: MEMBERS_OF_MEMBER,
        name: `node-${index}`,
        zone: `rack-${index % 12}`,
        agent: 'layerswarm/0.1.0',
      });
      member.handle('get-summary', (known) =>
        newsOf(makeSummary(factsOf(index, member.self), { reference: () => true, blob: () => true }), known),
      );
      cleanup.teardown(async () => {
        await member.stop();
      });
      await member.start();
    }
    await waitFor('all members', async () => (await viewer.status()).peers.length >= count, { deadline: 300_000 });
    await delay(20_000);
    const without = await share(pid);
    const browser = await startBrowser(cleanup);
    const { page } = await openPage(browser, status, { width: 1280 });
    await page.waitForFunction((nodes) => document.querySelectorAll('.tile .dot.ok').length >= nodes, Math.min(count, 200), {
      timeout: 300_000,
    });
    await delay(10_000);
    const withPage = await share(pid);
    const { body } = await observe(viewer, '/api/v1/swarm');
    const shown = await page.evaluate(() => ({
      height: document.documentElement.scrollHeight,
      elements: document.querySelectorAll('*').length,
    }));
    process.stdout.write(
      `| ${count} | ${without} | ${withPage} | ${(body.length / 1024).toFixed(0)} KiB | ${shown.elements} | ${shown.height} px | ${(residentMemory(pid).now / 1e6).toFixed(0)} MB |\n`,
    );
    await page.close();
  } finally {
    await cleanup.undo();
  }
}

async function share(pid: number): Promise<string> {
  const [before, begin] = [cpuSecondsOf([pid]), performance.now()];
  await delay(watchedSeconds * 1000);
  return `${(((cpuSecondsOf([pid]) - before) * 100_000) / (performance.now() - begin)).toFixed(1)} % of a core`;
}

/** What moves is another each time it is asked. */
function factsOf(index: number, self: string): SummaryFacts {
  const seconds = Math.floor(Date.now() / 1000);
  const isMoving = index % 4 === 0;
  const transfers = isMoving
    ? [0, 1, 2].map((blob) => ({
        digest: Digest.of(Buffer.from(`blob ${blob}`)),
        repository: 'team/app',
        sizeBytes: GIB,
        haveBytes: Math.floor((((seconds + index) % 60) / 60) * GIB),
        fromOriginBytes: GIB / 8,
        bytesPerSecond: 20e6 + index,
        stalls: 0,
        retries: 0,
        state: 'fetching' as const,
        startedAt: 0,
        fromPeers: new Map([[self, GIB / 4]]),
        strip: Uint8Array.from({ length: 48 }, (_, cell) => (cell < (48 * ((seconds + index) % 60)) / 60 ? 2 + (cell % 2) : 0)),
      }))
    : [];
  return {
    status: {
      ...statusSample,
      peerId: self,
      name: `node-${index}`,
      uptimeSeconds: 1000,
      health: { ...healthSample, level: 'ok', parts: {} },
      bans: [],
      images: Array.from({ length: 40 }, (_, image) => ({
        ...statusSample.images[0]!,
        reference: `registry.example/team/app-${(index * 7 + image * 11) % 400}:1`,
        complete: true,
      })),
    },
    transfers,
    receipts: Array.from({ length: 20 }, (_, pull) => ({ ...receiptSample, id: (index * 100 + pull).toString(16).padStart(12, '0') })),
    today: { originBytes: index * GIB, peersBytes: index * 9 * GIB },
    hour: { minute: Math.floor(seconds / 60), origin: [GIB], peers: [9 * GIB] },
    jobs: [],
    rates: new Map(
      isMoving
        ? [
            ['origin', 1e6],
            ['peers', 60e6],
            ['sent', 60e6],
          ]
        : [],
    ),
  };
}
