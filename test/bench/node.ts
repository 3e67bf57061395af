import { randomBytes } from 'node:crypto';
import { CleanupStack } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { runOk } from '../support/process.ts';
import { pushImage } from '../support/registry-content.ts';
import { cpuSecondsOf, residentMemory } from './cpu.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `What a node costs its host: start to ready, first byte, resident memory alone, among peers, and while it pulls.
  node test/bench/node.ts [--peers 50] [--gib 4]`;

const OPTIONS = { options: { peers: { type: 'string', default: '50' }, gib: { type: 'string', default: '4' } } } as const;
const { PEERS, GIB } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  PEERS: readNumber('--peers', values.peers, 4),
  GIB: readNumber('--gib', values.gib, 1),
}));
const STARTS = 5;
const SETTLE_MS = 10_000;

const cleanup = new CleanupStack();
try {
  const origin = await startDockerRegistry(cleanup);
  // Layers of 1 GiB: a buffer of Node holds no more than 4.
  await pushImage(
    origin,
    'bench/large',
    'v1',
    Array.from({ length: GIB }, () => randomBytes(1 << 30)),
  );
  await pushImage(origin, 'bench/small', 'v1', [randomBytes(1 << 20)]);
  const swarmKey = await makeSwarmKey(cleanup);

  const starts: number[] = [];
  for (let i = 0; i < STARTS; i++) starts.push(await timeToReady());
  const holders: Agent[] = [];
  for (let i = 0; i < 3; i++) {
    const holder = await startAgent(cleanup, { origin: origin.url, swarmKey, bootstrap: bootstrapOf(...holders.slice(0, 1)) });
    await holder.cliOk(['pull', 'bench/large:v1'], { deadline: 600_000 });
    holders.push(holder);
  }
  const node = await startAgent(cleanup, { origin: origin.url, swarmKey, bootstrap: bootstrapOf(holders[0]!) });
  await node.waitForPeers(holders.length);
  await settle();
  const { pid } = node.info;
  const idle = residentMemory(pid).now;
  const firstBytes = [await firstByte(node, 'small'), await firstByte(node, 'large')];

  const crowd: Agent[] = [];
  while (crowd.length < PEERS - holders.length) {
    const batch = Math.min(4, PEERS - holders.length - crowd.length);
    crowd.push(
      ...(await Promise.all(
        Array.from({ length: batch }, () => startAgent(cleanup, { origin: origin.url, swarmKey, bootstrap: bootstrapOf(holders[0]!) })),
      )),
    );
  }
  const puller = await startAgent(cleanup, { origin: origin.url, swarmKey, bootstrap: bootstrapOf(holders[0]!) });
  await puller.waitForPeers(PEERS);
  await settle();
  const amongPeers = residentMemory(puller.info.pid).now;
  const cpuBefore = cpuSecondsOf([puller.info.pid]);
  await settle();
  const idleCpu = (cpuSecondsOf([puller.info.pid]) - cpuBefore) / (SETTLE_MS / 1000);
  await puller.cliOk(['pull', 'bench/large:v1'], { deadline: 600_000 });
  process.stdout.write(
    `${[
      '| what a node costs | |',
      '|---|---|',
      `| start to ready, median of ${STARTS} | ${[...starts].sort((a, b) => a - b)[STARTS >> 1]!.toFixed(2)} s |`,
      `| first byte of the answer at the client: 1 MiB blob that only the origin has | ${firstBytes[0]!.toFixed(0)} ms |`,
      `| first byte of the answer at the client: 1 GiB blob that peers have | ${firstBytes[1]!.toFixed(0)} ms |`,
      `| resident memory with ${holders.length} peers | ${megabytes(idle)} |`,
      `| resident memory with ${PEERS} peers | ${megabytes(amongPeers)} |`,
      `| CPU with ${PEERS} peers and nothing to do | ${(idleCpu * 100).toFixed(1)} % of a core |`,
      `| most resident memory while it pulls ${GIB} GiB, ${PEERS} peers | ${megabytes(residentMemory(puller.info.pid).most)} |`,
    ].join('\n')}\n`,
  );

  async function timeToReady(): Promise<number> {
    const own = new CleanupStack();
    try {
      const begin = performance.now();
      await startAgent(own, { origin: origin.url, swarmKey });
      return (performance.now() - begin) / 1000;
    } finally {
      await own.undo();
    }
  }
} finally {
  await cleanup.undo();
}

/** ms, by curl, of the image's first layer. */
async function firstByte(agent: Agent, image: string): Promise<number> {
  const base = `${agent.registry}/v2/bench/${image}`;
  const { stdout } = await runOk('curl', ['-sS', '--fail', `${base}/manifests/v1`]);
  const {
    layers: [layer],
  } = JSON.parse(stdout) as { layers: { digest: string }[] };
  const answer = await runOk('curl', [
    '-sS',
    '--fail',
    '-o',
    '/dev/null',
    '-r',
    '0-1023',
    '-w',
    '%{time_starttransfer}',
    `${base}/blobs/${layer!.digest}`,
  ]);
  return Number(answer.stdout) * 1000;
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
