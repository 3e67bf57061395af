import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { type Finished, run, runOk, type RunOptions } from './process.ts';
import { tempDir } from './temp-dir.ts';

/** Needs the tools `podman` and `root`. */
export interface Podman {
  /** `podman` on folders of its own, whatever its exit code; `run` has `--rm --network none`. */
  readonly podman: (args: readonly string[], options?: RunOptions) => Promise<Finished>;
  readonly podmanOk: (args: readonly string[], options?: RunOptions) => Promise<Finished>;
}

/** podman's default limits may be above what the machine lets anybody set. */
const EXTRA: Readonly<Record<string, (policy: string) => string[]>> = {
  pull: (policy) => ['--signature-policy', policy],
  run: () => ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024', '--network', 'none', '--rm'],
};

export function createPodman(cleanup: Cleanup, { registriesConf, netns }: { registriesConf?: string; netns?: string } = {}): Podman {
  const dir = tempDir(cleanup, 'pod');
  const policy = join(dir, 'policy.json');
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const storage = [
    '--root',
    join(dir, 'root'),
    '--runroot',
    join(dir, 'run'),
    '--tmpdir',
    join(dir, 'tmp'),
    '--storage-driver',
    'overlay',
    '--cgroup-manager',
    'cgroupfs',
    '--events-backend',
    'none',
  ];
  const env = { XDG_RUNTIME_DIR: dir, ...(registriesConf === undefined ? {} : { CONTAINERS_REGISTRIES_CONF: registriesConf }) };
  const command = ([verb = '', ...args]: readonly string[]): string[] => [...storage, verb, ...(EXTRA[verb]?.(policy) ?? []), ...args];
  const options = (more: RunOptions = {}): RunOptions => ({ netns, env, deadline: 300_000, ...more });
  return {
    podman: (args, more) => run('podman', command(args), options(more)),
    podmanOk: (args, more) => runOk('podman', command(args), options(more)),
  };
}
