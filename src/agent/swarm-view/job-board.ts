import type { PrefetchProgress } from '../../control/prefetch-operation.ts';
import type { SeedLine } from '../../control/seed-operation.ts';
import type { SwarmJob } from '../../status/swarm-document.ts';

const MAX_JOBS = 8;
/** One that ended is shown this long. */
const KEPT_MS = 10 * 60_000;

export interface Job extends Omit<SwarmJob, 'node' | 'endedAt'> {
  readonly id: number;
  readonly endedAt: number | undefined;
}

type Progress = Partial<Pick<Job, 'step' | 'doneBytes' | 'totalBytes' | 'nodesDone' | 'nodes'>>;

/** What operators started on this node and how far it is, for whoever looks from any node. */
export class JobBoard {
  readonly #now: () => number;
  readonly #jobs = new Map<number, Job>();
  #nextId = 1;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Those that run first, then the latest; of many the last. */
  list(): readonly Job[] {
    this.#forgetOld();
    const isRunning = ({ state }: Job): number => (state === 'running' ? 1 : 0);
    return [...this.#jobs.values()]
      .sort((a, b) => isRunning(b) - isRunning(a) || b.startedAt - a.startedAt || b.id - a.id)
      .slice(0, MAX_JOBS);
  }

  /** Runs something, and shows it while it runs and for a while after it. @throws what it throws */
  async run<Result>(kind: Job['kind'], title: string, work: (report: (progress: Progress) => void) => Promise<Result>): Promise<Result> {
    const id = this.#nextId++;
    this.#jobs.set(id, {
      id,
      kind,
      title,
      state: 'running',
      step: 'starting',
      doneBytes: 0,
      totalBytes: 0,
      nodesDone: 0,
      nodes: 0,
      startedAt: this.#now(),
      endedAt: undefined,
    });
    const change = (progress: Partial<Job>): void => {
      const job = this.#jobs.get(id);
      if (job !== undefined) this.#jobs.set(id, { ...job, ...progress });
    };
    try {
      const result = await work(change);
      change({ state: 'done', step: 'done', endedAt: this.#now() });
      return result;
    } catch (error) {
      change({ state: 'failed', step: error instanceof Error ? error.message : String(error), endedAt: this.#now() });
      throw error;
    } finally {
      this.#forgetOld();
    }
  }

  #forgetOld(): void {
    for (const [id, { endedAt }] of this.#jobs) if (endedAt !== undefined && endedAt < this.#now() - KEPT_MS) this.#jobs.delete(id);
    const ended = [...this.#jobs.values()].filter(({ endedAt }) => endedAt !== undefined);
    for (const { id } of ended.slice(0, Math.max(0, ended.length - MAX_JOBS))) this.#jobs.delete(id);
  }
}

export function progressOfSeed(line: SeedLine): Progress {
  if (line.kind === 'note') return { step: line.text };
  if (line.kind === 'wave') return progressOfWave(line);
  return {
    step: line.kind === 'import' ? 'reading the image' : 'pushing to the origin',
    doneBytes: line.doneBytes,
    totalBytes: line.totalBytes,
  };
}

export function progressOfWave({ nodes }: PrefetchProgress): Progress {
  const sum = (value: 'sizeBytes' | 'haveBytes'): number => nodes.reduce((total, node) => total + node[value], 0);
  const nodesDone = nodes.filter(({ state }) => state === 'done').length;
  return {
    step: `${nodesDone} of ${nodes.length} nodes have it`,
    doneBytes: sum('haveBytes'),
    totalBytes: sum('sizeBytes'),
    nodesDone,
    nodes: nodes.length,
  };
}
