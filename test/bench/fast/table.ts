import { fluidBound, hostsLike, type CrowdCase } from '../crowd/crowd-case.ts';
import type { SystemResult } from '../crowd/stage.ts';
import { THREAD_KINDS, totalCpu } from '../threads.ts';
import { describeCase, type FastCase } from './cases.ts';

const GIB = 2 ** 30;

/** What one system did with one case, in the order of its rounds. */
export interface Measured {
  readonly fast: FastCase;
  readonly system: string;
  readonly payloadBytes: number;
  readonly rounds: readonly SystemResult[];
  /** Of a run apart, in which the collector told what it did. */
  readonly markCompacts: number | undefined;
}

export const HEAD = [
  `| case | system | first bytes s | last s | × aria2 | × bound | origin copies | CPU-s/GiB a node | ${THREAD_KINDS.join(' | ')} | wake-ups/GiB | Mark-Compacts/GiB | peak MB | origin CPU-s |`,
  `|${'---|'.repeat(12 + THREAD_KINDS.length)}`,
].join('\n');

/** The round whose last client was the median one, so that all figures of a row are of one run. */
export function medianRound(rounds: readonly SystemResult[]): SystemResult {
  return [...rounds].sort((a, b) => lastClient(a) - lastClient(b))[(rounds.length - 1) >> 1]!;
}

export function lastClient({ hosts }: SystemResult): number {
  return Math.max(...hosts.map(({ client }) => client ?? 0));
}

/** When the first client had some, and when the last. */
function firstBytes({ hosts }: SystemResult): string {
  const seconds = hosts.flatMap((host) => host.firstBytes ?? []);
  return seconds.length < hosts.length ? '–' : `${Math.min(...seconds).toFixed(1)} to ${Math.max(...seconds).toFixed(1)}`;
}

export function crowdOf(fast: FastCase): CrowdCase {
  return { name: describeCase(fast), hosts: hostsLike(fast.hosts, fast.rate), originRate: fast.rate, payload: 'blob', beside: [] };
}

/** @param aria2 the last client's seconds of aria2 in the same case */
export function row({ fast, system, payloadBytes, rounds, markCompacts }: Measured, aria2: number | undefined): string {
  const result = medianRound(rounds);
  const last = lastClient(result);
  const bound = fluidBound(crowdOf(fast), payloadBytes);
  // Of each node and GiB that it got.
  const share = (fast.hosts * payloadBytes) / GIB;
  const { cost, originCpuSeconds } = result;
  return `| ${[
    describeCase(fast),
    system,
    firstBytes(result),
    last.toFixed(1),
    aria2 === undefined ? '–' : (last / aria2).toFixed(2),
    bound === 0 ? '–' : (last / bound).toFixed(2),
    result.originCopies.toFixed(3),
    cost === undefined ? '–' : (totalCpu(cost) / share).toFixed(2),
    ...THREAD_KINDS.map((kind) => (cost === undefined ? '–' : (cost.cpuSeconds[kind] / share).toFixed(2))),
    cost === undefined ? '–' : (cost.wakeUps / share).toFixed(0),
    markCompacts === undefined ? '–' : (markCompacts / share).toFixed(1),
    cost === undefined ? '–' : (cost.peakMemory / 1e6).toFixed(0),
    originCpuSeconds?.toFixed(2) ?? '–',
  ].join(' | ')} |`;
}
