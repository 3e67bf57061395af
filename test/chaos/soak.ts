import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { cpuSecondsOf } from '../bench/cpu.ts';
import { mulberry } from '../sim/random.ts';
import { CleanupStack } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { makeSwarmKey } from '../support/layerswarm.ts';
import { TestNetwork } from '../support/netns.ts';
import { releasedProgram } from '../support/released-program.ts';
import { pushImage } from '../support/registry-content.ts';
import { writeTar } from '../support/tar-file.ts';
import { tempDir } from '../support/temp-dir.ts';
import { ChaosNode } from './node.ts';
import type { SoakClientOptions, SoakClientReport } from './soak-client.ts';
import { isFlat, type Sample, soakTable } from './soak-table.ts';

// Mixed load on many nodes for hours, as root: clients pull a rotation of images that no store can hold at once, so that each is fetched
// and evicted again and again, others are seeded and purged meanwhile. What the nodes hold must be at the end what it was at the start.
//   npm run soak -- [--minutes 120] [--warm-up 20] [--nodes 12] [--pulls 0.5 (a second)] [--seed N] [--out DIR]
// Writes DIR/samples.csv each minute, and DIR/table.md at the end, also of a run that is broken off.

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '120' },
    'warm-up': { type: 'string', default: '20' },
    nodes: { type: 'string', default: '12' },
    pulls: { type: 'string', default: '0.5' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: join(tmpdir(), 'layerswarm-soak') },
  },
});
const IMAGES = 60;
const MOST_BYTES = 16 * 2 ** 20;
const STORE_BYTES = 64 * 2 ** 20;
const MINUTE = 60_000;
/** Of these minutes, one is a seed's and another a purge's. */
const SEED_EVERY = 3;
const PURGE_EVERY = 2;
const COLUMNS: readonly (keyof Sample)[] = ['minute', 'node', 'resident', 'files', 'sockets', 'stored', 'cpuSeconds'];

const random = mulberry(Number(values.seed));
const upTo = (n: number): number => Math.floor(random() * n);
const cleanup = new CleanupStack();
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    interrupted.abort();
  });

mkdirSync(values.out, { recursive: true });
rmSync(join(values.out, 'table.md'), { force: true });
const samplesFile = join(values.out, 'samples.csv');
writeFileSync(samplesFile, `${COLUMNS.join(',')}\n`);
const samples: Sample[] = [];
const problems: string[] = [];
try {
  const main = await releasedProgram(join(import.meta.dirname, '../..'), join(tempDir(cleanup, 'soak-program'), 'release'));
  const network = await TestNetwork.create(cleanup);
  const originHost = await network.addHost('origin');
  const clientHost = await network.addHost('clients');
  const folder = tempDir(cleanup, 'soak-origin');
  const names = await pushImages(folder);
  await startDockerRegistry(cleanup, { folder, host: originHost.address, port: 5000, netns: originHost.netns });
  const swarmKey = await makeSwarmKey(cleanup);
  const hosts = await network.addHosts(Number(values.nodes));
  const nodes = hosts.map(
    (host, index) =>
      new ChaosNode(cleanup, {
        index,
        host,
        isLiar: false,
        disk: undefined,
        agent: {
          main,
          data: join(tempDir(cleanup, `soak${index}`), 'data'),
          origin: `http://${originHost.address}:5000`,
          swarmKey,
          bootstrap: [`${hosts[index === 0 ? 1 : 0]!.address}:4001`],
          args: ['--registry', '0.0.0.0:5050', '--store-max-bytes', String(STORE_BYTES), '--store-gc-interval', '1m'],
        },
      }),
  );
  for (const node of nodes) if (!interrupted.signal.aborted) await node.start();
  const client = startClient(names);
  const begun = performance.now();
  for (let minute = 1; minute <= Number(values.minutes) && !interrupted.signal.aborted; minute++) {
    // A busy machine may be behind.
    await delay(Math.max(0, begun + minute * MINUTE - performance.now()), undefined, { signal: interrupted.signal }).catch(() => undefined);
    if (interrupted.signal.aborted) break;
    const sampled = nodes.map((node) => sampleOf(node, minute));
    samples.push(...sampled);
    appendFileSync(samplesFile, sampled.map((sample) => `${COLUMNS.map((column) => sample[column]).join(',')}\n`).join(''));
    if (minute % SEED_EVERY === 0) await seed(nodes[upTo(nodes.length)]!, minute);
    if (minute % PURGE_EVERY === 0) await purge(nodes[upTo(nodes.length)]!, names[upTo(names.length)]!);
  }
  const report = await client();
  problems.push(...report.problems);
  for (const node of nodes) await node.stop();
  if (problems.length > 0) for (const node of nodes) writeFileSync(join(values.out, `node${node.index}.log`), node.logs.join('\n'));
  problems.push(...nodes.flatMap((node) => node.problems));
  const table = soakTable(samples, Number(values['warm-up']));
  const text = [
    `${values.nodes} nodes, ${samples.at(-1)?.minute ?? 0} minutes, ${report.pulls} pulls of ${IMAGES} images (${(report.bytes / 2 ** 30).toFixed(1)} GiB), ${report.failed} failed; ${isFlat(samples, Number(values['warm-up'])) ? 'flat' : 'NOT FLAT'}`,
    '',
    table,
    ...problems.map((problem) => `\n- ${problem}`),
    '',
  ].join('\n');
  writeFileSync(join(values.out, 'table.md'), text);
  console.log(text);

  function startClient(images: readonly string[]): () => Promise<SoakClientReport> {
    const options: SoakClientOptions = {
      registries: hosts.map(({ address }) => `http://${address}:5050`),
      images,
      everyMs: 1000 / Number(values.pulls),
      seed: Number(values.seed),
    };
    const program = clientHost.start(cleanup, process.execPath, [join(import.meta.dirname, 'soak-client.ts'), JSON.stringify(options)]);
    return async () => JSON.parse((await program.stop()).stdout) as SoakClientReport;
  }
} finally {
  await cleanup.undo();
}
if (problems.length > 0 || !isFlat(samples, Number(values['warm-up']))) process.exitCode = 1;

/** Their references, NAME:TAG. */
async function pushImages(folder: string): Promise<string[]> {
  const pushing = new CleanupStack();
  try {
    const registry = await startDockerRegistry(pushing, { folder });
    const names: string[] = [];
    for (let i = 0; i < IMAGES; i++) {
      // as many small ones as large ones, as images have them
      const layers = Array.from({ length: 1 + upTo(3) }, () => randomBytes(Math.ceil(MOST_BYTES ** random())));
      await pushImage(registry, `soak/image${i}`, 'v1', layers);
      names.push(`soak/image${i}:v1`);
    }
    return names;
  } finally {
    await pushing.undo();
  }
}

function sampleOf(node: ChaosNode, minute: number): Sample {
  const { files, sockets, resident } = node.footprint();
  return {
    minute,
    node: node.index,
    resident,
    files,
    sockets,
    stored: readdirSync(node.data, { recursive: true }).length,
    cpuSeconds: cpuSecondsOf([node.agent!.info.pid]),
  };
}

async function seed(node: ChaosNode, minute: number): Promise<void> {
  const own = new CleanupStack();
  try {
    const content = randomBytes(Math.ceil(MOST_BYTES ** random()));
    const tar = await writeTar(join(tempDir(own, 'soak-seed'), 'root.tar'), [
      { name: createHash('sha256').update(content).digest('hex'), content },
    ]);
    await told(node, ['seed', `tar:${tar}`, '--as', `soak/seeded:${minute}`]);
  } finally {
    await own.undo();
  }
}

async function purge(node: ChaosNode, image: string): Promise<void> {
  const { images } = await node.agent!.status();
  if (images.some(({ reference }) => reference.includes(image.split(':', 1)[0]!))) await told(node, ['purge', image]);
}

async function told(node: ChaosNode, args: readonly string[]): Promise<void> {
  try {
    await node.agent!.cliOk(args);
  } catch (error) {
    problems.push(`${new Date().toISOString()} ${node.name}: ${(error as Error).message.slice(0, 2000)}`);
  }
}
