import { readdirSync, readFileSync } from 'node:fs';
import { residentMemory } from './cpu.ts';

/** V8's helpers compile and collect garbage; the pool is libuv's, for files and hashes. */
export const THREAD_KINDS = ['main', 'bulk', 'v8', 'pool', 'other'] as const;
export type ThreadKind = (typeof THREAD_KINDS)[number];

/** One thread so far. */
export interface ThreadUse {
  readonly tid: number;
  readonly kind: ThreadKind;
  /** User and system. */
  readonly cpuSeconds: number;
  /** Voluntary context switches: how often it went to sleep, and so woke. */
  readonly wakeUps: number;
}

/** What processes spent between two moments, all of them together. */
export interface Cost {
  readonly cpuSeconds: Readonly<Record<ThreadKind, number>>;
  readonly wakeUps: number;
  /** CPU-seconds of the thread that had the most: on an idle machine nothing can be done sooner. */
  readonly busiest: number;
  /** The two moments: microseconds of the monotonic clock. */
  readonly from: number;
  readonly to: number;
  /** Bytes: the most that any one of them ever had resident. */
  readonly peakMemory: number;
}

/** Of what `/proc` counts. */
const TICKS_A_SECOND = 100;
/** Threads of `--cpu-prof`. */
const PROFILER = 'v8:Prof';

/** Starts counting what the processes spend; threads that come meanwhile are counted, those that end are not. A process that has ended counts as nothing. */
export function startMeter(pids: readonly number[]): () => Cost {
  const before = new Map(pids.flatMap(threadsOf).map((thread) => [thread.tid, thread]));
  const from = micros();
  return () => ({ from, to: micros(), ...spent(before, pids.flatMap(threadsOf)), peakMemory: Math.max(0, ...pids.map(peakMemoryOf)) });
}

export function totalCpu({ cpuSeconds }: Pick<Cost, 'cpuSeconds'>): number {
  return Object.values(cpuSeconds).reduce((sum, seconds) => sum + seconds, 0);
}

function micros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Between two lists of threads; one that is not in `before` began after it. */
export function spent(
  before: ReadonlyMap<number, ThreadUse>,
  after: readonly ThreadUse[],
): Pick<Cost, 'cpuSeconds' | 'wakeUps' | 'busiest'> {
  const cpuSeconds = { main: 0, bulk: 0, v8: 0, pool: 0, other: 0 };
  let wakeUps = 0;
  let busiest = 0;
  for (const thread of after) {
    const first = before.get(thread.tid);
    const seconds = thread.cpuSeconds - (first?.cpuSeconds ?? 0);
    cpuSeconds[thread.kind] += seconds;
    busiest = Math.max(busiest, seconds);
    wakeUps += thread.wakeUps - (first?.wakeUps ?? 0);
  }
  return { cpuSeconds, wakeUps, busiest };
}

/** `/proc/PID/task/TID/stat` and `status` of one thread, proc_pid_stat(5) and proc_pid_status(5); undefined for one that only measures the others. */
export function parseThread(pid: number, tid: number, stat: string, status: string): ThreadUse | undefined {
  // The name stands in parentheses and may hold some itself.
  const end = stat.lastIndexOf(') ');
  const name = stat.slice(stat.indexOf('(') + 1, end);
  if (name.startsWith(PROFILER)) return undefined;
  const fields = stat.slice(end + 2).split(' ');
  return {
    tid,
    kind: tid === pid ? 'main' : kindOf(name),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND,
    wakeUps: Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0),
  };
}

/** In what `--trace-gc` prints, of all isolates. */
export function countMarkCompacts(trace: string): number {
  return [...trace.matchAll(/ ms: Mark-Compact/g)].length;
}

function kindOf(name: string): ThreadKind {
  if (name.startsWith('bulk')) return 'bulk';
  if (/^(V8Worker|DelayedTaskSche)/.test(name)) return 'v8';
  return name.startsWith('libuv-worker') ? 'pool' : 'other';
}

function threadsOf(pid: number): ThreadUse[] {
  return tasksOf(pid).flatMap((tid) => {
    const folder = `/proc/${pid}/task/${tid}`;
    try {
      return parseThread(pid, tid, readFileSync(`${folder}/stat`, 'utf8'), readFileSync(`${folder}/status`, 'utf8')) ?? [];
    } catch {
      return [];
    }
  });
}

function tasksOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

function peakMemoryOf(pid: number): number {
  try {
    return residentMemory(pid).most;
  } catch {
    return 0;
  }
}
