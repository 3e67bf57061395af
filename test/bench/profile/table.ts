import { type Cost, type ThreadKind, totalCpu } from '../threads.ts';
import { IDLE } from './subsystem.ts';

/** Sampled time of one thread by subsystem. */
export interface ThreadProfile {
  readonly kind: 'main' | 'bulk';
  readonly sums: ReadonlyMap<string, number>;
}

interface Row {
  main: number;
  bulk: number;
  rest: number;
}

/** Threads that run no JavaScript have no profile: each is a row of its own. */
const UNPROFILED: readonly (readonly [ThreadKind, string])[] = [
  ['v8', "V8's helpers: compilers, garbage collection"],
  ['pool', "libuv's pool: files"],
  ['other', 'other threads'],
];

/**
 * CPU-seconds for each GiB and node by subsystem: what each kind of thread used, by `/proc`, shared out as its samples are.
 * @param share nodes × GiB
 * @param rows how many of the largest; as many as have a thousandth when absent
 */
export function profileTable(
  threads: readonly ThreadProfile[],
  { cpuSeconds }: Pick<Cost, 'cpuSeconds'>,
  share: number,
  rows?: number,
): string {
  const parts = new Map<string, Row>();
  const rowOf = (name: string): Row => {
    const found = parts.get(name) ?? { main: 0, bulk: 0, rest: 0 };
    parts.set(name, found);
    return found;
  };
  for (const kind of ['main', 'bulk'] as const) {
    const busy = threads.filter((thread) => thread.kind === kind).flatMap(({ sums }) => [...sums].filter(([name]) => name !== IDLE));
    const sampled = busy.reduce((sum, [, micros]) => sum + micros, 0);
    for (const [name, micros] of busy) rowOf(name)[kind] += ((micros / sampled) * cpuSeconds[kind]) / share;
  }
  for (const [kind, name] of UNPROFILED) rowOf(name).rest += cpuSeconds[kind] / share;
  const total = totalCpu({ cpuSeconds }) / share;
  const sum = ({ main, bulk, rest }: Row): number => main + bulk + rest;
  const largest = [...parts]
    .filter(([, row]) => sum(row) >= total / 1000)
    .sort(([, a], [, b]) => sum(b) - sum(a))
    .slice(0, rows);
  const line = (name: string, main: number, bulk: number, all: number): string =>
    `| ${name} | ${main.toFixed(2)} | ${bulk.toFixed(2)} | ${all.toFixed(2)} | ${((all / total) * 100).toFixed(1)} % |`;
  return [
    '| CPU-s/GiB a node | main thread | bulk threads | all threads | share |',
    '|---|---|---|---|---|',
    ...largest.map(([name, row]) => line(name, row.main, row.bulk, sum(row))),
    line('all', cpuSeconds.main / share, cpuSeconds.bulk / share, total),
  ].join('\n');
}
