import { Cron } from 'croner';
import { LayerswarmError } from '../errors.ts';

const SHORTEST_MS = 1000;

/** @throws `config-invalid` */
export function checkSchedule(schedule: string | number): void {
  if (typeof schedule === 'number') {
    if (schedule < SHORTEST_MS)
      throw new LayerswarmError('config-invalid', `expected a schedule of at least ${SHORTEST_MS} ms, received ${schedule} ms`);
    return;
  }
  try {
    const cron = new Cron(schedule, { paused: true, mode: '5-part' });
    cron.stop();
  } catch (error) {
    throw new LayerswarmError(
      'config-invalid',
      `expected a cron expression of five fields such as "0 3 * * *", or an interval such as 1h, received ${JSON.stringify(schedule.slice(0, 100))}`,
      { cause: error },
    );
  }
}

/** Runs `job` when the schedule says so, by this host's clock and time zone, never twice at once, until disposed of. `job` must not throw. */
export function onSchedule(schedule: string | number, job: (signal: AbortSignal) => Promise<void>): AsyncDisposable {
  const stopped = new AbortController();
  let running: Promise<void> | undefined;
  const run = (): void => {
    running ??= job(stopped.signal).finally(() => {
      running = undefined;
    });
  };
  const stop = startTimer(schedule, run);
  return {
    async [Symbol.asyncDispose]() {
      stop();
      stopped.abort(new LayerswarmError('aborted', 'the agent is stopping'));
      await running;
    },
  };
}

function startTimer(schedule: string | number, run: () => void): () => void {
  if (typeof schedule === 'number') {
    const timer = setInterval(run, schedule).unref();
    return () => clearInterval(timer);
  }
  const cron = new Cron(schedule, { mode: '5-part', unref: true }, run);
  return () => cron.stop();
}
