import { randomBytes } from 'node:crypto';
import { CleanupStack } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { pushImage } from '../support/registry-content.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `How long a client waits for a small blob that a peer holds, beside the registry itself.
  node test/bench/latency.ts [--blobs 30]`;

const SIZES = [
  ['1 byte', 1],
  ['64 KiB', 64 * 1024],
  ['1 MiB', 1024 * 1024],
] as const;
const blobs = scriptArguments(USAGE, { options: { blobs: { type: 'string', default: '30' } } }, ({ values }) =>
  readNumber('--blobs', values.blobs, 1),
);

interface Row {
  readonly what: string;
  /** ms, in order of size */
  readonly first: readonly number[];
  readonly median: readonly number[];
}

const cleanup = new CleanupStack();
try {
  const origin = await startDockerRegistry(cleanup);
  const images: string[][] = [];
  for (const [i, [, size]] of SIZES.entries()) {
    const layers = Array.from({ length: blobs }, (_, n) => (size === 1 ? Buffer.from([n]) : randomBytes(size)));
    const image = await pushImage(origin, `bench/size${i}`, 'v1', layers);
    images.push(image.layers.map(({ digest }) => digest.toString()));
  }
  const swarmKey = await makeSwarmKey(cleanup);
  const holder = await startAgent(cleanup, { origin: origin.url, swarmKey });
  await holder.cliOk(['pull', ...SIZES.map((_, i) => `bench/size${i}:v1`)]);
  const rows = [
    await measure('docker-registry next door', origin.url),
    await measure("the holder's own endpoint", holder.registry),
    await ofPeer(holder),
  ];
  process.stdout.write(`${table(rows)}\n`);

  async function ofPeer(from: Agent): Promise<Row> {
    const agent = await startAgent(cleanup, { origin: origin.url, swarmKey, bootstrap: bootstrapOf(from) });
    await agent.waitForPeers(1);
    return await measure('a node whose peer holds it', agent.registry);
  }

  /** The first of each size is the cold one: of the smallest size, the first that the node ever asks a peer for. */
  async function measure(what: string, url: string): Promise<Row> {
    const first: number[] = [];
    const median: number[] = [];
    for (const [i, digests] of images.entries()) {
      await take(`${url}/v2/bench/size${i}/manifests/v1`);
      const times: number[] = [];
      for (const digest of digests) times.push(await take(`${url}/v2/bench/size${i}/blobs/${digest}`));
      first.push(times[0]!);
      median.push(times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!);
    }
    return { what, first, median };
  }
} finally {
  await cleanup.undo();
}

/** ms until the last byte, on a connection that is kept. */
async function take(url: string): Promise<number> {
  const begin = performance.now();
  const response = await fetch(url, { headers: { accept: 'application/vnd.oci.image.manifest.v1+json' } });
  const bytes = await response.arrayBuffer();
  if (!response.ok || bytes.byteLength === 0) throw new Error(`${url}: ${response.status}`);
  return performance.now() - begin;
}

function table(rows: readonly Row[]): string {
  return [
    `| ms to the last byte | ${SIZES.map(([name]) => `${name}, median | first`).join(' | ')} |`,
    `|---${'|---|---'.repeat(SIZES.length)}|`,
    ...rows.map(
      ({ what, first, median }) => `| ${what} | ${SIZES.map((_, i) => `${median[i]!.toFixed(1)} | ${first[i]!.toFixed(1)}`).join(' | ')} |`,
    ),
  ].join('\n');
}
