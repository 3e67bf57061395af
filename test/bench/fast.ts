import { spawnSync } from 'node:child_process';
import { basename, join, resolve } from 'node:path';
import { CleanupStack } from '../support/cleanup.ts';
import { releasedProgram } from '../support/released-program.ts';
import { tempDir } from '../support/temp-dir.ts';
import { runAria2 } from './crowd/aria2.ts';
import { runHttp } from './crowd/http.ts';
import { runLayerswarm } from './crowd/layerswarm.ts';
import { earlierLayers, makePayload, type Payload } from './crowd/payload.ts';
import { onStage, type Stage, type SystemResult } from './crowd/stage.ts';
import { caseOf, describeCase, FAST_CASES, type FastCase } from './fast/cases.ts';
import { STORES } from './fast/nodes.ts';
import { crowdOf, HEAD, lastClient, type Measured, medianRound, row } from './fast/table.ts';
import { readNames, readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `Cold crowds on lines that hold nobody back, stores in memory: how long, and for how much CPU. As root, with Node 24 (npx node).
  node test/bench/fast.ts                                           every case, beside aria2 and nginx: what 'npm run bench fast' records
  node test/bench/fast.ts --hosts 4 --size 512M --only layerswarm   one row in less than a minute

Options; those with … can be given several times:
  --hosts N…      2, 4 or 8 in the recorded cases
  --size SIZE…    of one layer, such as 64M (MiB) or 2G (GiB); 12: the image of twelve layers
  --rate RATE     shapes every line, such as 1gbit
  --only SYSTEM…  layerswarm, aria2, http (nginx)
  --checkout DIR… builds the nodes from other checkouts, in turns; --checkout . is this one
  --rounds N      each system N times, taking turns (3 when no case is named); a row is the run with the median last client
  --before N      each node has pulled N other layers of 64 MiB before, together with the others: what code costs that runs for the
                  first time is not in the row then
  --gc            one more run of layerswarm a case, with --trace-gc, for the column of Mark-Compacts (on when no case is named)

CPU is user and system of all threads of a node, from just before the pull until its last client is done, by kind of thread; the clients
(curl) are not counted. Wake-ups are voluntary context switches; first bytes are when the first and the last client had 16 KiB. GiB are
those that one node gets; peak MB is of the largest node.`;

const SYSTEMS = ['layerswarm', 'aria2', 'http'] as const;

interface Contender {
  readonly name: string;
  readonly fits: (fast: FastCase) => boolean;
  readonly play: (stage: Stage, nodeArgs: readonly string[]) => Promise<SystemResult>;
  readonly collects: boolean;
}

const OPTIONS = {
  options: {
    hosts: { type: 'string', multiple: true },
    size: { type: 'string', multiple: true },
    rate: { type: 'string' },
    only: { type: 'string', multiple: true },
    checkout: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    before: { type: 'string' },
    gc: { type: 'boolean' },
  },
} as const;
const { cases, systems, checkouts, traceGc, rounds, before } = scriptArguments(USAGE, OPTIONS, ({ values }) => {
  const { hosts, size, rate } = values;
  const named = hosts !== undefined || size !== undefined || rate !== undefined;
  return {
    cases: named
      ? (size ?? ['512M']).flatMap((each) => (hosts ?? ['4']).map((count) => caseOf({ hosts: count, size: each, rate })))
      : FAST_CASES,
    systems: readNames('--only', values.only, SYSTEMS),
    checkouts: values.checkout ?? ['.'],
    traceGc: values.gc ?? !named,
    before: values.before === undefined ? 0 : readNumber('--before', values.before, 0),
    rounds: values.rounds === undefined ? (named ? 1 : 3) : readNumber('--rounds', values.rounds, 1),
  };
});

process.stdout.write(`${HEAD}\n`);
const programs = new CleanupStack();
try {
  const contenders = await contendersOf(programs);
  for (const fast of cases) {
    const cleanup = new CleanupStack();
    try {
      await measure(fast, await payloadOf(cleanup, fast), contenders);
    } finally {
      await cleanup.undo();
    }
  }
} finally {
  await programs.undo();
}

/** On the disk: the stores need the memory. */
async function payloadOf(cleanup: CleanupStack, { layers }: FastCase): Promise<Payload> {
  const payload = await makePayload(cleanup, layers, earlierLayers(before));
  // Nothing is left to be written while others are measured.
  spawnSync('sync');
  return payload;
}

async function measure(fast: FastCase, payload: Payload, contenders: readonly Contender[]): Promise<void> {
  const running = contenders.filter(({ fits }) => fits(fast));
  const results = new Map<Contender, SystemResult[]>(running.map((contender) => [contender, []]));
  for (let i = 0; i < rounds; i++) {
    for (const contender of running) {
      process.stderr.write(`${describeCase(fast)}, ${contender.name}: `);
      const result = await onStage(crowdOf(fast), payload, (stage) => contender.play(stage, []), STORES);
      results.get(contender)!.push(result);
      process.stderr.write(`${lastClient(result).toFixed(1)} s\n`);
    }
  }
  const aria2 = running.find(({ name }) => name === 'aria2');
  const reference = aria2 === undefined ? undefined : lastClient(medianRound(results.get(aria2)!));
  for (const contender of running) {
    let markCompacts: number | undefined;
    if (traceGc && contender.collects)
      ({ markCompacts } = await onStage(crowdOf(fast), payload, (stage) => contender.play(stage, ['--trace-gc']), STORES));
    const measured: Measured = { fast, system: contender.name, payloadBytes: payload.bytes, rounds: results.get(contender)!, markCompacts };
    process.stdout.write(`${row(measured, reference)}\n`);
  }
}

async function contendersOf(cleanup: CleanupStack): Promise<Contender[]> {
  const all: Contender[] = [];
  for (const checkout of systems.includes('layerswarm') ? checkouts : []) {
    const main = await releasedProgram(checkout, join(tempDir(cleanup, 'program'), 'release'));
    all.push({
      name: `layerswarm${checkout === '.' ? '' : ` (${basename(resolve(checkout))})`}${before === 0 ? '' : ', pulled before'}`,
      fits: () => true,
      play: (stage, nodeArgs) => runLayerswarm(stage, { nodeArgs, main }),
      collects: true,
    });
  }
  // A torrent of one file.
  if (systems.includes('aria2')) all.push({ name: 'aria2', fits: ({ layers }) => layers.length === 1, play: runAria2, collects: false });
  if (systems.includes('http')) all.push({ name: 'http', fits: () => true, play: runHttp, collects: false });
  return all;
}
