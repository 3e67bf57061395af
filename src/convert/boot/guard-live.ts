import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { programFile } from '../../program-files.ts';

/**
 * Starts a process that removes a live container and its image once this one is gone, whatever ended it: without the disk the container is
 * an empty shell that seems to run. It notices by the end of its standard input.
 * @returns what ends it without its having done anything
 */
export function guardLive(container: string, image: string): () => Promise<void> {
  const guard = spawn(process.execPath, [fileURLToPath(programFile('convert/boot/live-guard')), container, image], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without it a container may stay behind when this process is killed, and nothing else is wrong.
  guard.on('error', () => undefined);
  guard.stdin.on('error', () => undefined);
  return async () => {
    if (guard.pid === undefined || guard.exitCode !== null || guard.signalCode !== null) return;
    const ended = once(guard, 'close');
    guard.kill('SIGKILL');
    await ended;
  };
}
