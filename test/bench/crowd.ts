import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CleanupStack } from '../support/cleanup.ts';
import { runAria2 } from './crowd/aria2.ts';
import { CASES } from './crowd/cases.ts';
import { completionChart } from './crowd/chart.ts';
import { fluidBoundOf, type CrowdCase, type System } from './crowd/crowd-case.ts';
import { runHttp, runMirror } from './crowd/http.ts';
import { runLayerswarm } from './crowd/layerswarm.ts';
import { makePayload, type Payload, TWELVE_LAYERS } from './crowd/payload.ts';
import { type CaseResult, onStage, type Stage, type SystemResult } from './crowd/stage.ts';
import { totalCpu } from './threads.ts';
import { readNames, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `Cold crowds in network namespaces behind 'tc tbf', beside what others do with the same lines. As root.
  node test/bench/crowd.ts [--case NAME]… [--system layerswarm|http|mirror|aria2]… [--chart FILE]`;

const SYSTEMS: Record<System, (stage: Stage) => Promise<SystemResult>> = {
  layerswarm: (stage) => runLayerswarm(stage),
  http: runHttp,
  mirror: runMirror,
  aria2: runAria2,
};

/** Sizes in bytes. */
const LAYERS: Record<CrowdCase['payload'], readonly number[]> = { blob: [64_000_000], image: TWELVE_LAYERS };

const NEIGHBOUR_ENTRIES = 16_384;

const OPTIONS = {
  options: {
    case: { type: 'string', multiple: true },
    system: { type: 'string', multiple: true },
    chart: { type: 'string', default: join(import.meta.dirname, 'crowd.svg') },
  },
} as const;
const { names, systems, chart } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  names: readNames(
    '--case',
    values.case,
    CASES.map(({ name }) => name),
  ),
  systems: readNames('--system', values.system, Object.keys(SYSTEMS)),
  chart: values.chart,
}));
const cleanup = new CleanupStack();
try {
  enlargeNeighbourTable();
  const results = await measure(CASES.filter(({ name }) => names.includes(name)));
  process.stdout.write(`${table(results)}\n`);
  const charted = results.filter(({ crowd }) => crowd.name === CASES[0]!.name);
  if (charted.length > 1) writeFileSync(chart, completionChart(charted));
} finally {
  await cleanup.undo();
}

/** The kernel has one table of neighbours for all namespaces: 32 hosts that all know each other do not fit into its 1,024 entries. */
function enlargeNeighbourTable(): void {
  const path = '/proc/sys/net/ipv4/neigh/default/gc_thresh3';
  const before = readFileSync(path, 'utf8');
  if (Number(before) >= NEIGHBOUR_ENTRIES) return;
  writeFileSync(path, String(NEIGHBOUR_ENTRIES));
  cleanup.teardown(() => {
    writeFileSync(path, before);
  });
}

async function measure(cases: readonly CrowdCase[]): Promise<CaseResult[]> {
  const payloads = new Map<CrowdCase['payload'], Payload>();
  const results: CaseResult[] = [];
  for (const crowd of cases) {
    const payload = payloads.get(crowd.payload) ?? (await makePayload(cleanup, LAYERS[crowd.payload]));
    payloads.set(crowd.payload, payload);
    for (const system of ['layerswarm', ...crowd.beside] as const) {
      if (!systems.includes(system)) continue;
      process.stderr.write(`${crowd.name}, ${system}: `);
      const result = { ...(await onStage(crowd, payload, SYSTEMS[system])), crowd, system, payloadBytes: payload.bytes };
      results.push(result);
      process.stderr.write(`${row(result)}\n`);
    }
  }
  return results;
}

function table(results: readonly CaseResult[]): string {
  return [
    '| case | system | median s | p99 s | last s | proven × bound | client × bound | origin copies | cores busy | CPU s of the fetchers |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...results.map(row),
  ].join('\n');
}

function row(result: CaseResult): string {
  const { crowd, system, hosts, originCopies, busy, cost } = result;
  const clients = hosts.flatMap(({ client }) => client ?? []).sort((a, b) => a - b);
  const at = (share: number): string => clients[Math.ceil(share * clients.length) - 1]!.toFixed(1);
  return `| ${[
    crowd.name,
    system,
    at(0.5),
    at(0.99),
    at(1),
    times(result, 'proven'),
    times(result, 'client'),
    originCopies.toFixed(3),
    `${(busy * 100).toFixed(0)} %`,
    cost === undefined ? '–' : totalCpu(cost).toFixed(1),
  ].join(' | ')} |`;
}

/** The worst host: how many times as long as its rate class needs at least. */
function times({ crowd, hosts, payloadBytes }: CaseResult, what: 'proven' | 'client'): string {
  const factors = hosts.flatMap((host, i) =>
    host[what] === undefined ? [] : [host[what] / fluidBoundOf(crowd, crowd.hosts[i]!, payloadBytes)],
  );
  return factors.length === 0 ? '–' : Math.max(...factors).toFixed(2);
}
