import { once } from 'node:events';
import { hasProgram } from './find-programs.ts';
import { startDaemon, type Daemon, type Surroundings } from './run-program.ts';

/** The host's own namespaces: what is mounted is seen by every process that may. */
export function hostSurroundings(scratch: string): Surroundings {
  return { scratch, prefix: '', enter: (command) => command };
}

export interface PrivateSurroundings extends Surroundings {
  close(): Promise<void>;
}

/**
 * Root only: a mount namespace that no other process sees and that takes every mount with it when it ends, without a network,
 * since the programs in it parse hostile data. A sleeping process holds it; its files are reached below /proc/PID/root.
 * Undefined where the kernel or a container forbids it.
 */
export async function privateSurroundings(scratch: string): Promise<PrivateSurroundings | undefined> {
  if (process.getuid?.() !== 0 || !hasProgram('unshare') || !hasProgram('nsenter')) return undefined;
  const args = ['--mount', '--net', '--ipc', '--propagation', 'private', 'sh', '-c', 'echo ready; exec sleep infinity'];
  const holder: Daemon = await startDaemon(hostSurroundings(scratch), 'unshare', args, 'pipe');
  const ready = await Promise.race([once(holder.child.stdout!, 'data').then(() => true), holder.ended.then(() => false)]);
  if (!ready) return undefined;
  const { pid } = holder;
  return {
    scratch,
    prefix: `/proc/${pid}/root`,
    enter: (command) => [
      'nsenter',
      `--mount=/proc/${pid}/ns/mnt`,
      `--net=/proc/${pid}/ns/net`,
      `--ipc=/proc/${pid}/ns/ipc`,
      '--',
      ...command,
    ],
    // It sleeps, and holds nothing that would have to be written.
    close: async () => {
      await holder.stop(0);
    },
  };
}
