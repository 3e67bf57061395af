import test from 'ava';
import { randomBytes } from 'node:crypto';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';
import { blobsForThreads } from '../support/thread-blobs.ts';
import { waitFor } from '../support/wait-for.ts';

const RATE = 4_000_000;
const SIZE = 8_000_000;
/** A tenth of a second, what a lane asks for and what a receiver has at hand at a time, and messages beside the blobs. */
const SLACK = RATE / 10 + 600_000;

/** Pulls, and gives after each look the seconds since the start (measured last) and what `counter` said. */
async function samples(taker: Agent, counter: () => Promise<number>): Promise<[seconds: number, bytes: number][]> {
  const before = await counter();
  const start = performance.now();
  const seen: [number, number][] = [];
  let pulled = false;
  const pull = taker.cliOk(['pull', 'team/app:v1']).finally(() => {
    pulled = true;
  });
  await waitFor('the pull', async () => {
    const bytes = (await counter()) - before;
    seen.push([(performance.now() - start) / 1000, bytes]);
    return pulled;
  });
  await pull;
  return seen;
}

for (const [limited, bulk, threads] of [
  ['the sender', 'fast', 1],
  ['the receiver', 'fast', 1],
  ['the sender', 'listen port', 1],
  ['the sender', 'fast', 3],
  ['the receiver', 'fast', 2],
] as const) {
  test(`over the ${bulk} lane ${limited} keeps to its limit${threads === 1 ? '' : `, in ${threads} threads`}`, async (t) => {
    const bulkArgs = ['--limits-bulk-threads', String(threads), ...(bulk === 'fast' ? [] : ['--bulk', 'off'])];
    const seed = await startAgent(t, {
      origin: 'embedded',
      args: [...bulkArgs, ...(limited === 'the sender' ? ['--limits-upload', `${RATE}B/s`] : [])],
    });
    await pushImage({ url: seed.registry }, 'team/app', 'v1', blobsForThreads(threads, Math.floor(SIZE / threads)));
    const taker = await startAgent(t, {
      bootstrap: bootstrapOf(seed),
      args: [...bulkArgs, ...(limited === 'the receiver' ? ['--limits-download', `${RATE}B/s`] : [])],
    });
    await taker.waitForStatus('the origin', ({ origin }) => origin.url !== null);
    const counter = async (): Promise<number> => {
      const { peers } = await (limited === 'the sender' ? seed : taker).status();
      return peers.reduce((sum, { sentBytes, receivedBytes }) => sum + (limited === 'the sender' ? sentBytes : receivedBytes), 0);
    };
    const seen = await samples(taker, counter);
    for (const [seconds, bytes] of seen) t.true(bytes <= RATE * seconds + SLACK, `${bytes} bytes after ${seconds} s`);
    t.true(seen.at(-1)![0] >= (SIZE - SLACK) / RATE, `done after ${seen.at(-1)![0]} s`);
    t.true(seen.length > 5);
  });
}

test('what is read from the origin counts against the limit on downloads', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const registry = await startDockerRegistry(t);
  await pushImage(registry, 'team/app', 'v1', [randomBytes(SIZE)]);
  const taker = await startAgent(t, { origin: registry.url, args: ['--limits-download', `${RATE}B/s`] });
  const seen = await samples(taker, async () => (await taker.status()).traffic.fromOriginBytes);
  t.true(seen.at(-1)![0] >= (SIZE - SLACK) / RATE, `done after ${seen.at(-1)![0]} s`);
});
