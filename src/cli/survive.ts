import type { Logger } from '../log.ts';

/** A fault that comes again and again is logged so often, per minute. */
const LOGGED_A_MINUTE = 10;

/**
 * The net under everything: an error that nobody waited for (of one file, socket, client or peer) is logged as a fault of this program, and
 * does not take away what all the others are being served.
 */
export function surviveStrayErrors(log: Logger, processLike: Pick<NodeJS.Process, 'on'> = process, now: () => number = Date.now): void {
  let [since, logged] = [now(), 0];
  const report = (what: string, error: unknown): void => {
    if (now() - since > 60_000) [since, logged] = [now(), 0];
    logged += 1;
    if (logged > LOGGED_A_MINUTE) return;
    log.error(what, { reason: error instanceof Error ? error.message : String(error), stack: error instanceof Error ? error.stack?.split('\n').slice(1, 6).map((line) => line.trim()).join(' ') : undefined });
  };
  processLike.on('unhandledRejection', (error) => { report('an operation failed that nobody waited for', error); });
  processLike.on('uncaughtException', (error) => { report('an error reached nobody', error); });
}
