import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CleanupStack } from '../support/cleanup.ts';
import { tempDir } from '../support/temp-dir.ts';
import { runLayerswarm } from './crowd/layerswarm.ts';
import { earlierLayers, makePayload } from './crowd/payload.ts';
import { onStage } from './crowd/stage.ts';
import { caseOf, describeCase } from './fast/cases.ts';
import { STORES } from './fast/nodes.ts';
import { crowdOf } from './fast/table.ts';
import { type CallFrame, type CpuProfile, sumProfile } from './profile/cpu-profile.ts';
import { functionOf, subsystemOf } from './profile/subsystem.ts';
import { profileTable, type ThreadProfile } from './profile/table.ts';
import type { Cost } from './threads.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `Where a node's CPU goes in a cold crowd on fast lines (see fast.ts), by subsystem and thread. As root, with Node 24 (npx node).
  node test/bench/profile.ts [--hosts 8] [--size 512M] [--rate 1gbit] [--before N] [--checkout DIR] [--keep DIR] [--functions N]

V8's sampling profiler says where the main thread and the bulk threads are, once a millisecond, and costs some itself: compare shares, and
take absolute figures from fast.ts. Samples before and after the pull are left out. --keep leaves the profiles in DIR, for a browser;
--functions adds the N functions with the most time of their own. --before: as for fast.ts.`;

const OPTIONS = {
  options: {
    hosts: { type: 'string', default: '8' },
    size: { type: 'string', default: '512M' },
    rate: { type: 'string' },
    before: { type: 'string', default: '0' },
    checkout: { type: 'string', default: '.' },
    keep: { type: 'string' },
    functions: { type: 'string' },
  },
} as const;
const { fast, before, checkout, keep, functions } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  fast: caseOf(values),
  before: readNumber('--before', values.before, 0),
  checkout: values.checkout,
  keep: values.keep,
  functions: values.functions === undefined ? undefined : readNumber('--functions', values.functions),
}));
const cleanup = new CleanupStack();
try {
  const payload = await makePayload(cleanup, fast.layers, earlierLayers(before));
  const folder = keep ?? tempDir(cleanup, 'profiles');
  process.stderr.write(`${describeCase(fast)}\n`);
  // The sources: what is built of them has few files, which tell nothing of where a function belongs.
  const main = join(resolve(checkout), 'src/cli/main.ts');
  // Nodes write their profiles as they end, when the stage is taken down.
  const { cost } = await onStage(
    crowdOf(fast),
    payload,
    (stage) => runLayerswarm(stage, { main, nodeArgs: ['--cpu-prof', `--cpu-prof-dir=${folder}`] }),
    STORES,
  );
  const print = (name: (stack: readonly CallFrame[]) => string, rows?: number): void => {
    const threads = readdirSync(folder).flatMap((file) => read(join(folder, file), cost!, name));
    process.stdout.write(`${profileTable(threads, cost!, (fast.hosts * payload.bytes) / 2 ** 30, rows)}\n`);
  };
  print(subsystemOf);
  if (functions !== undefined) print(functionOf, functions);
} finally {
  await cleanup.undo();
}

/** The name holds the process, and the thread, which is 0 for the main one. Those of other processes and times have no sample in between. */
function read(file: string, { from, to }: Cost, name: (stack: readonly CallFrame[]) => string): ThreadProfile[] {
  const [, thread] = /^CPU\.\d+\.\d+\.\d+\.(\d+)\.\d+\.cpuprofile$/.exec(file.split('/').at(-1)!) ?? [];
  if (thread === undefined) return [];
  return [
    { kind: thread === '0' ? 'main' : 'bulk', sums: sumProfile(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile, from, to, name) },
  ];
}
