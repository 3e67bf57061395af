import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { debianTree } from './debian-disk.ts';
import type { Host } from './netns.ts';
import { type Finished, run, runOk, type RunOptions, startProgram } from './process.ts';
import { tempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

/** Needs the tools `runc`, `mmdebstrap`, `capsh` and `root`. */
export interface SystemHost {
  /** Where its root is, seen from here. */
  readonly root: string;
  /** A shell's script in it, whatever its exit code. */
  readonly sh: (script: string, options?: RunOptions) => Promise<Finished>;
  /** The same of one that must end with exit code 0: its standard output. */
  readonly ok: (script: string, options?: RunOptions) => Promise<string>;
}

interface RuncSpec {
  process: Record<string, unknown>;
  mounts: { destination: string; type: string; source: string; options: string[] }[];
  linux: Record<string, unknown>;
}

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * A Debian of its own that systemd has brought up, on a host of the test's network. It has every capability that this machine has, as
 * a real host would: units' sandboxes need them. `binds`: what of this machine it sees, read-only.
 */
export async function bootSystem(cleanup: Cleanup, host: Host, binds: readonly string[] = []): Promise<SystemHost> {
  const dir = tempDir(cleanup, 'sys');
  const root = join(dir, 'root');
  await runOk('cp', ['-a', '--reflink=auto', await debianTree(), root]);
  for (const folder of ['run', 'run/lock']) mkdirSync(join(root, folder), { recursive: true });
  await runOk('runc', ['spec'], { cwd: dir });
  const config = join(dir, 'config.json');
  const spec = JSON.parse(readFileSync(config, 'utf8')) as RuncSpec;
  const capabilities = await ownCapabilities();
  const temporary = ['/run', '/run/lock', '/tmp'].map((destination) => ({
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', destination === '/tmp' ? 'mode=1777' : 'mode=755'],
  }));
  const bound = [...binds.map((path) => [path, path]), ['/sys/fs/cgroup', '/sys/fs/cgroup']].map(([source, destination]) => ({
    destination: destination!,
    type: 'bind',
    source: source!,
    options: ['rbind', 'ro'],
  }));
  writeFileSync(
    config,
    JSON.stringify({
      ...spec,
      hostname: host.name,
      root: { path: root, readonly: false },
      process: {
        ...spec.process,
        terminal: false,
        args: ['/sbin/init'],
        env: [`PATH=${PATH}`, 'container=runc'],
        noNewPrivileges: false,
        rlimits: [],
        capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      },
      mounts: [...spec.mounts.filter(({ destination }) => destination !== '/sys/fs/cgroup'), ...temporary, ...bound],
      linux: {
        namespaces: [
          ...['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
          { type: 'network', path: `/var/run/netns/${host.netns}` },
        ],
        resources: { devices: [{ allow: true, access: 'rwm' }] },
      },
    }),
  );
  const name = host.netns;
  const state = ['--root', join(dir, 'state')];
  const init = startProgram(cleanup, 'runc', [...state, 'run', '--bundle', dir, name]);
  cleanup.teardown(async () => {
    await run('runc', [...state, 'delete', '--force', name]);
  });
  const words = (script: string): string[] => [
    ...state,
    'exec',
    '--env',
    `PATH=${PATH}`,
    '--env',
    'LC_ALL=C.UTF-8',
    '--env',
    'DEBIAN_FRONTEND=noninteractive',
    name,
    'sh',
    '-ec',
    script,
  ];
  const sh: SystemHost['sh'] = (script, options) => run('runc', words(script), { deadline: 300_000, ...options });
  await waitFor('systemd to be up', async () => (await sh('systemctl is-system-running')).stdout.trim() === 'running', {
    giveUp: () => (init.exit === undefined ? undefined : new Error(init.stderr)),
  });
  return { root, sh, ok: async (script, options) => (await runOk('runc', words(script), { deadline: 300_000, ...options })).stdout };
}

/** By name: what this machine does not have it cannot give. */
async function ownCapabilities(): Promise<string[]> {
  const [, mask] = /^CapBnd:\s+([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  const { stdout } = await runOk('capsh', [`--decode=${mask}`]);
  return stdout
    .trim()
    .replace(/^.*=/, '')
    .split(',')
    .map((name) => name.toUpperCase());
}
