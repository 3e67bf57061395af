import { podman } from './podman.ts';
import type { Runtime } from './runtime.ts';

/** CRI-O reads what podman reads, so that one backup is of both; it does so when it is told to. */
export const crio: Runtime = {
  ...podman,
  reload: {
    kind: 'restart',
    when: () => true,
    command: 'systemctl reload crio',
    reason: 'CRI-O reads it when it is told to; nothing stops',
  },
};
