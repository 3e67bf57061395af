import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Logger } from '../log.ts';

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
