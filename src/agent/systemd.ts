import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Logger } from '../log.ts';
import { every } from './schedule.ts';

const TIMEOUT_MS = 5000;

/**
 * Tells systemd how this service is, where it runs under it. Node has no datagram Unix sockets, so systemd's own program does it:
 * the unit says `NotifyAccess=all`.
 */
export async function notifySystemd(args: readonly string[], log: Logger): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return;
  try {
    await promisify(execFile)('systemd-notify', [...args], { timeout: TIMEOUT_MS });
  } catch (error) {
    log.warn('cannot notify systemd', { reason: error instanceof Error ? error.message : String(error) });
  }
}

/** Says that the main thread still turns, twice in the time that the unit's WatchdogSec= gives; nothing without one. */
export function keepWatchdogQuiet(log: Logger): AsyncDisposable {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = process.env;
  const interval = Number(usec) / 1000 / 2;
  if (!(interval > 0) || (pid !== undefined && Number(pid) !== process.pid)) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  return every(interval, 'now', async () => await notifySystemd(['WATCHDOG=1'], log));
}
