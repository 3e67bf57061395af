import type { PullProgress } from '../../control/pull-operation.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Receipt } from '../../status/receipt-document.ts';
import type { PeerMessages } from '../../swarm/network/network.ts';
import type { MessageOf } from '../../swarm/protocol/message.ts';

const MAX_RUNNING = 4;
const MAX_WAITING = 256;
/** Whoever asked for a pull learns how it ended within this time; longer than any gap between two of its questions. */
const KEPT_MS = 10 * 60_000;

export type PrefetchState = MessageOf<'prefetch-state'>;

/** Pulls one image here, as "layerswarm pull" does. */
export type PullImage = (
  image: string,
  platforms: readonly string[],
  options: { signal: AbortSignal; onProgress: (progress: PullProgress) => void },
) => Promise<Receipt>;

export interface PrefetchServiceOptions {
  readonly network: PeerMessages;
  /** Whether members may ask at all. */
  readonly allowed: boolean;
  readonly pull: PullImage;
}

interface Job {
  readonly id: number;
  readonly key: string;
  readonly image: string;
  readonly platforms: readonly string[];
  readonly since: number;
  state: 'waiting' | 'running' | 'done' | 'failed';
  endedAt: number | undefined;
  bytes: Pick<PrefetchState, 'sizeBytes' | 'haveBytes' | 'fromOriginBytes' | 'fromPeersBytes'>;
  reason: string | undefined;
}

/**
 * Pulls what members ask this node to pull. A pull goes on when the member that asked goes away: the image is wanted here. Members
 * ask how it goes by `prefetch-poll`, so that neither side depends on a request that stays open for hours.
 */
export class PrefetchService {
  readonly #options: PrefetchServiceOptions;
  readonly #jobs = new Map<number, Job>();
  readonly #stopping = new AbortController();
  #running = new Set<Promise<void>>();
  #nextId = 1;

  constructor(options: PrefetchServiceOptions) {
    this.#options = options;
    options.network.handle('prefetch', ({ image, platforms }) => this.#ask(image, platforms));
    options.network.handle('prefetch-poll', ({ id }) => {
      const job = this.#jobs.get(id);
      if (job === undefined) throw new LayerswarmError('not-found', 'this node knows nothing of that prefetch: it was restarted');
      return this.#answer(job);
    });
  }

  async close(): Promise<void> {
    this.#stopping.abort(new LayerswarmError('aborted', 'this node is stopping'));
    await Promise.all(this.#running);
  }

  #ask(image: string, platforms: readonly string[]): PrefetchState {
    if (!this.#options.allowed) throw new LayerswarmError('denied', 'this node lets nobody prefetch (allow.prefetch: false)');
    this.#forgetOld();
    const key = JSON.stringify([image, [...platforms].sort()]);
    const jobs = [...this.#jobs.values()];
    const joined = jobs.find((job) => job.key === key && job.endedAt === undefined);
    if (joined !== undefined) return this.#answer(joined);
    if (jobs.filter(({ state }) => state === 'waiting').length >= MAX_WAITING) {
      throw new LayerswarmError('unavailable', `${MAX_WAITING} prefetches are waiting here already; try again later`);
    }
    const job: Job = {
      id: this.#nextId++,
      key,
      image,
      platforms,
      since: performance.now(),
      state: 'waiting',
      endedAt: undefined,
      reason: undefined,
      bytes: { sizeBytes: 0, haveBytes: 0, fromOriginBytes: 0, fromPeersBytes: 0 },
    };
    this.#jobs.set(job.id, job);
    this.#startWaiting();
    return this.#answer(job);
  }

  #startWaiting(): void {
    for (const job of this.#jobs.values()) {
      if (this.#running.size >= MAX_RUNNING || this.#stopping.signal.aborted) return;
      if (job.state !== 'waiting') continue;
      const run = this.#run(job).finally(() => {
        this.#running.delete(run);
        this.#startWaiting();
      });
      this.#running.add(run);
    }
  }

  /** waiting -> running -> done or failed. Never throws. */
  async #run(job: Job): Promise<void> {
    job.state = 'running';
    try {
      const receipt = await this.#options.pull(job.image, job.platforms, {
        signal: this.#stopping.signal,
        onProgress: (progress) => {
          if (progress.kind === 'blobs') job.bytes = sumOf(progress);
        },
      });
      job.bytes = {
        sizeBytes: receipt.bytes,
        haveBytes: receipt.bytes,
        fromOriginBytes: receipt.fromOriginBytes,
        fromPeersBytes: receipt.fromPeersBytes,
      };
      job.state = 'done';
    } catch (error) {
      job.state = 'failed';
      job.reason = error instanceof LayerswarmError ? error.message : 'an internal error, see the log of that node';
    }
    job.endedAt = performance.now();
  }

  #answer(job: Job): PrefetchState {
    const elapsedMs = Math.max(0, Math.round((job.endedAt ?? performance.now()) - job.since));
    return {
      type: 'prefetch-state',
      id: job.id,
      state: job.state,
      ...job.bytes,
      elapsedMs,
      ...(job.reason === undefined ? {} : { reason: job.reason.slice(0, 400) }),
    };
  }

  #forgetOld(): void {
    for (const [id, { endedAt }] of this.#jobs) if (endedAt !== undefined && endedAt < performance.now() - KEPT_MS) this.#jobs.delete(id);
  }
}

function sumOf({ blobs }: Extract<PullProgress, { kind: 'blobs' }>): Job['bytes'] {
  const bytes = { sizeBytes: 0, haveBytes: 0, fromOriginBytes: 0, fromPeersBytes: 0 };
  for (const blob of blobs) {
    bytes.sizeBytes += blob.sizeBytes;
    bytes.haveBytes += blob.haveBytes;
    bytes.fromOriginBytes += blob.fromOriginBytes;
    bytes.fromPeersBytes += blob.fromPeersBytes;
  }
  return bytes;
}
