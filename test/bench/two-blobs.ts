import { CleanupStack } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Agent, bootstrapOf, makeSwarmKey, startAgent } from '../support/layerswarm.ts';
import { pushImage } from '../support/registry-content.ts';
import { blobsForThreads } from '../support/thread-blobs.ts';
import { startMeter, totalCpu, type Cost } from './threads.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `Two blobs at once, each for a bulk thread of its own, with one and with two threads a node, in turns: what a peer holds, and from the origin.
  node test/bench/two-blobs.ts [--mib 512] [--rounds 5]
CPU is user and system of all threads of the receiver, and of the sender; 'busiest' is of the one thread that had the most, which on a machine
that does nothing else is the least that it can take. Each row is the round with the median time.`;

const THREADS = [1, 2];
const OPTIONS = { options: { mib: { type: 'string', default: '512' }, rounds: { type: 'string', default: '5' } } } as const;
const { blobBytes, roundCount } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  blobBytes: readNumber('--mib', values.mib, 1) * 1024 * 1024,
  roundCount: readNumber('--rounds', values.rounds, 1),
}));
const GIB = 2 ** 30;

interface Round {
  readonly seconds: number;
  readonly receiver: Cost;
  readonly sender: Cost | undefined;
}

const cleanup = new CleanupStack();
try {
  const origin = await startDockerRegistry(cleanup);
  await pushImage(origin, 'bench/two', 'v1', blobsForThreads(2, blobBytes));
  const swarmKey = await makeSwarmKey(cleanup);
  const rounds = new Map<string, Round[]>();
  const holders: Agent[] = [];
  for (const threads of THREADS) {
    const holder = await startAgent(cleanup, { origin: origin.url, swarmKey, args: ['--limits-bulk-threads', String(threads)] });
    await holder.cliOk(['pull', 'bench/two:v1']);
    holders.push(holder);
  }
  for (let i = 0; i < roundCount; i++) {
    for (const [t, threads] of THREADS.entries()) {
      for (const holder of [holders[t]!, undefined]) {
        const what = `${holder === undefined ? 'from the origin' : 'from a peer'} | ${threads}`;
        const round = await pull(origin.url, swarmKey, threads, holder);
        rounds.set(what, [...(rounds.get(what) ?? []), round]);
        process.stderr.write(`${what}: ${round.seconds.toFixed(2)} s\n`);
      }
    }
  }
  process.stdout.write(
    [
      '| two blobs | bulk threads | s | MB/s | receiver CPU-s/GiB | its busiest thread | sender CPU-s/GiB | receiver peak MB |',
      '|---|---|---|---|---|---|---|---|',
      ...Array.from(rounds, ([what, its]) => row(what, its)).sort(),
      '',
    ].join('\n'),
  );
} finally {
  await cleanup.undo();
}

async function pull(origin: string, swarmKey: string, threads: number, holder: Agent | undefined): Promise<Round> {
  const own = new CleanupStack();
  try {
    const agent = await startAgent(own, {
      origin,
      swarmKey,
      bootstrap: holder === undefined ? [] : bootstrapOf(holder),
      args: ['--limits-bulk-threads', String(threads)],
    });
    if (holder !== undefined) await agent.waitForPeers(1);
    const spent = startMeter([agent.info.pid]);
    const sent = holder === undefined ? undefined : startMeter([holder.info.pid]);
    const begin = performance.now();
    await agent.cliOk(['pull', 'bench/two:v1']);
    return { seconds: (performance.now() - begin) / 1000, receiver: spent(), sender: sent?.() };
  } finally {
    await own.undo();
  }
}

function row(what: string, rounds: readonly Round[]): string {
  const { seconds, receiver, sender } = [...rounds].sort((a, b) => a.seconds - b.seconds)[(rounds.length - 1) >> 1]!;
  const perGiB = GIB / (2 * blobBytes);
  return `| ${what} | ${seconds.toFixed(2)} | ${((2 * blobBytes) / 1e6 / seconds).toFixed(0)} | ${(totalCpu(receiver) * perGiB).toFixed(2)} | ${(receiver.busiest * perGiB).toFixed(2)} | ${sender === undefined ? '–' : (totalCpu(sender) * perGiB).toFixed(2)} | ${(receiver.peakMemory / 1e6).toFixed(0)} |`;
}
