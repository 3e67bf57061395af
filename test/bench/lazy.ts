import { randomBytes } from 'node:crypto';
import { get } from 'node:http';
import { CleanupStack } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { pushImage } from '../support/registry-content.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `How long a lazy client waits for the first byte of the last MiB of a large layer that its node does not have, beside the registry
itself; a new node each time, whose first request for the layer that is.
  node test/bench/lazy.ts [--mib 1024] [--rounds 3]`;

const MIB = 1 << 20;
const OPTIONS = { options: { mib: { type: 'string', default: '1024' }, rounds: { type: 'string', default: '3' } } } as const;
const { size, rounds } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  size: readNumber('--mib', values.mib, 2) * MIB,
  rounds: readNumber('--rounds', values.rounds, 1),
}));
/** As of stargz-snapshotter, and as of containerd from 2.1 on, which ends the answer when it has what it wants. */
const RANGES = [
  ['with its end', `bytes=${size - MIB}-${size - 1}`],
  ['without an end', `bytes=${size - MIB}-`],
] as const;

const cleanup = new CleanupStack();
try {
  const origin = await startDockerRegistry(cleanup);
  const { layers } = await pushImage(origin, 'bench/lazy', 'v1', [randomBytes(size)]);
  const path = `/v2/bench/lazy/blobs/${layers[0]!.digest.toString()}`;
  const swarmKey = await makeSwarmKey(cleanup);
  const holder = await startAgent(cleanup, { origin: origin.url, swarmKey });
  await holder.cliOk(['pull', 'bench/lazy:v1'], { deadline: 300_000 });
  const rows = [
    await row('the registry itself', async () => await Promise.resolve({ url: origin.url })),
    await row('a node, from the registry', async () => await newNode([])),
    await row('a node, from a member that has it', async () => await newNode(bootstrapOf(holder))),
  ];
  process.stdout.write(
    `| ms to the first byte, median of ${rounds} | ${RANGES.map(([what]) => `range ${what}`).join(' | ')} |\n|---|---|---|\n${rows.join('\n')}\n`,
  );

  async function newNode(bootstrap: readonly string[]): Promise<{ url: string; agent: Agent }> {
    const agent = await startAgent(cleanup, {
      origin: origin.url,
      swarmKey: bootstrap.length === 0 ? await makeSwarmKey(cleanup) : swarmKey,
      bootstrap,
      args: ['--emit', 'vouched'],
    });
    if (bootstrap.length > 0) await agent.waitForPeers(1);
    return { url: agent.registry, agent };
  }

  async function row(what: string, start: () => Promise<{ url: string; agent?: Agent }>): Promise<string> {
    const medians: string[] = [];
    for (const [, range] of RANGES) {
      const times: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const { url, agent } = await start();
        await (
          await fetch(`${url}/v2/bench/lazy/manifests/v1`, { headers: { accept: 'application/vnd.oci.image.manifest.v1+json' } })
        ).arrayBuffer();
        times.push(await firstByte(`${url}${path}`, range));
        await agent?.stop();
      }
      medians.push(times.sort((a, b) => a - b)[Math.floor(rounds / 2)]!.toFixed(0));
    }
    return `| ${what} | ${medians.join(' | ')} |`;
  }
} finally {
  await cleanup.undo();
}

/** ms from the request to the first byte of the answer's body. */
async function firstByte(url: string, range: string): Promise<number> {
  const begin = performance.now();
  return await new Promise((resolve, reject) => {
    const request = get(url, { agent: false, headers: { range } }, (response) => {
      if (response.statusCode !== 206) reject(new Error(`${url}: ${response.statusCode}`));
      response.once('data', () => {
        resolve(performance.now() - begin);
        request.destroy();
      });
    });
    request.once('error', reject);
  });
}
