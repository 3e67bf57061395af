import { errorCode, LayerswarmError } from '../../errors.ts';
import type { Origin } from '../../origin/origin.ts';
import type { AccessRecord, ImageStore } from '../../store/images/image-store.ts';
import { keepIfTaken } from '../../store/store-error.ts';
import type { Repository } from '../namespace.ts';
import { isOriginAway, type OriginCalls } from './origin-calls.ts';
import { SingleFlight } from './single-flight.ts';

export interface RepositoryAccessOptions {
  readonly images: Pick<ImageStore, 'access' | 'setAccess'>;
  readonly calls: OriginCalls;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds for which the registry's word that this node may read a repository is not asked for again. */
  readonly ttlMs: number;
  /** The same while the registry is away. */
  readonly maxStaleMs: number;
}

/**
 * Which repositories this node may still read, in the eyes of their registry. What is kept here is served without asking for
 * each digest, since digests do not change; who may read them does. The registry's word outlasts a restart.
 */
export class RepositoryAccess {
  readonly #options: RepositoryAccessOptions;
  readonly #flights = new SingleFlight<void>();

  constructor(options: RepositoryAccessOptions) {
    this.#options = options;
  }

  /** Runs a call whose answer tells whether the repository may be read, and remembers that. @throws what `call` throws */
  async watch<T>(repository: Repository, call: () => Promise<T>): Promise<T> {
    try {
      const answer = await call();
      await this.#note(repository, true);
      return answer;
    } catch (error) {
      if (isRefusal(error)) await this.#note(repository, false);
      throw error;
    }
  }

  /**
   * @param confirm any call that only those are answered who may read the repository; that what it asks for is gone is an answer
   * @throws LayerswarmError `origin-unauthorized`, `origin-denied`; `unavailable` when the registry has been away for too long
   */
  async require(
    repository: Repository,
    confirm: (origin: Origin, signal: AbortSignal) => Promise<unknown>,
    signal: AbortSignal,
  ): Promise<void> {
    const record = this.#options.images.access(repository.full);
    if (record?.granted === true && this.#age(record) < this.#options.ttlMs) return;
    await this.#flights.run(repository.full, () => this.#ask(repository, record, confirm), signal);
  }

  async #ask(
    repository: Repository,
    record: AccessRecord | undefined,
    confirm: (origin: Origin, signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    try {
      await this.watch(repository, () => this.#options.calls.ask(confirm));
    } catch (error) {
      if (errorCode(error) === 'not-found') await this.#note(repository, true);
      else if (!isOriginAway(error)) throw error;
      else this.#whileAway(repository, record, error);
    }
  }

  /** What came from members alone, since the registry was away from the start, has no record: members are trusted with that. */
  #whileAway({ full }: Repository, record: AccessRecord | undefined, away: unknown): void {
    if (record === undefined) return;
    if (!record.granted)
      throw new LayerswarmError('origin-denied', `the registry refused this node ${full} when it was last asked`, { cause: away });
    const { maxStaleMs } = this.#options;
    if (this.#age(record) < maxStaleMs) return;
    throw new LayerswarmError(
      'unavailable',
      `${(away as Error).message}; that this node may read ${full} it said ${Math.round(this.#age(record) / 3_600_000)} h ago, which is longer than access.staleFor`,
      { cause: away },
    );
  }

  /** A refusal is worth a record only where something may be kept: names come from clients. */
  async #note({ full }: Repository, granted: boolean): Promise<void> {
    const { images, now, ttlMs } = this.#options;
    const before = images.access(full);
    if (before === undefined ? !granted : before.granted === granted && this.#age(before) < ttlMs / 2) return;
    await keepIfTaken(() => images.setAccess(full, { granted, checkedAt: now() }));
  }

  /** Milliseconds; a clock that was set back makes no record last longer. */
  #age({ checkedAt }: AccessRecord): number {
    return Math.abs(this.#options.now() - checkedAt);
  }
}

function isRefusal(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'origin-unauthorized' || code === 'origin-denied';
}
