/** Often enough that `status` tells the truth about an origin that nobody has needed for a while. */
export const ORIGIN_PROBE_MS = 15_000;
/** How often the disk, the runtimes' files and all that health is made of are looked at. */
export const LOOK_MS = 5000;

/** How soon it is noticed that a store which refused blobs has room again. */
export const STORE_LOOK_MS = 5_000;

export interface Repeated extends AsyncDisposable {
  /** Once more, out of turn: now, or when the one under way has ended. */
  run(): void;
}

/**
 * Runs `job` at an interval, never twice at the same time, until it is disposed of; then the run under way is aborted and awaited.
 * What a job throws is its own concern: it must not.
 */
export function every(intervalMs: number, first: 'now' | 'later', job: (signal: AbortSignal) => Promise<unknown>): Repeated {
  const stopped = new AbortController();
  let running: Promise<unknown> | undefined;
  let isWanted = false;
  const run = (): void => {
    running ??= job(stopped.signal).finally(() => {
      running = undefined;
      if (!isWanted || stopped.signal.aborted) return;
      isWanted = false;
      run();
    });
  };
  const timer = setInterval(run, intervalMs);
  if (first === 'now') run();
  return {
    run: () => {
      isWanted = running !== undefined;
      run();
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      stopped.abort();
      await running;
    },
  };
}
