import type { LayerswarmError } from '../../errors.ts';
import { Grade } from '../blob-store.ts';
import type { PartialState, PartialStateFile } from './partial-state.ts';
import { storeError } from '../store-error.ts';
import type { SyncPolicy } from '../disk/sync-policy.ts';

interface Parts {
  /** `grades` is the live array. */
  readonly state: PartialState;
  readonly stateFile: PartialStateFile;
  readonly policy: SyncPolicy;
  readonly syncData: () => Promise<void>;
  /** Pieces that a late write may still change after their bytes are synced. */
  readonly unsettled: () => Iterable<number>;
}

/**
 * Brings the grades of one unfinished blob to disk, in batches, and always after the bytes that they speak of. One save at a
 * time, in order.
 */
export class GradeSaver {
  readonly #parts: Parts;
  /** What the state file says: what a crash falls back to. */
  #saved: Uint8Array;
  #queue: Promise<void> = Promise.resolve();
  #pending = 0;
  #unsavedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** What is on the disk can no longer be relied on, so nothing more is written. */
  #failure: LayerswarmError | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#saved = parts.state.grades.slice();
  }

  /** @throws what a sync behind the caller's back threw */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** A grade went up, for `bytes` that were missing before. */
  changed(bytes: number): void {
    this.#unsavedBytes += bytes;
    if (this.#unsavedBytes >= this.#parts.policy.bytes && this.#pending === 0) this.#saveBehind();
    else this.#timer ??= setTimeout(() => this.#saveBehind(), this.#parts.policy.intervalMs).unref();
  }

  /** Whether the state file says, or is about to say, that one of these pieces is here. */
  mayBeSaved(pieces: readonly number[]): boolean {
    return this.#pending > 0 || pieces.some((piece) => this.#saved[piece] !== Grade.missing);
  }

  /** @param options.durable resolves only when a power loss cannot bring the old grades back */
  save(options: { durable: boolean }): Promise<void> {
    this.#pending++;
    const save = this.#queue
      .then(() => this.#save(options.durable))
      .finally(() => {
        this.#pending--;
      });
    this.#queue = save.catch(() => undefined); // whoever asked for it hears of it
    return save;
  }

  /** Stops the timer and waits for what is under way. */
  async idle(): Promise<void> {
    this.#stopTimer();
    await this.#queue;
  }

  async close(): Promise<void> {
    await this.idle();
    await this.#parts.stateFile.close();
  }

  #saveBehind(): void {
    this.#stopTimer();
    // not waited for: what matters of a failure, `check` throws at the next call
    void this.save({ durable: false }).catch(() => undefined);
  }

  async #save(durable: boolean): Promise<void> {
    this.check();
    const { state, stateFile, policy } = this.#parts;
    const grades = state.grades.slice();
    for (const piece of this.#parts.unsettled()) grades[piece] = Grade.missing;
    this.#unsavedBytes = 0;
    try {
      await policy.exclusive(this.#parts.syncData);
    } catch (error) {
      // what was written since the last good sync may be lost, and the kernel says so only once
      throw (this.#failure = storeError(error, `sync ${state.digest.toString()}`));
    }
    try {
      await stateFile.save({ ...state, grades }, durable);
    } catch (error) {
      const failure = storeError(error, `save the state of ${state.digest.toString()}`);
      // the old state is still true, unless grades went down
      if (durable) this.#failure = failure;
      throw failure;
    }
    this.#saved = grades;
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
