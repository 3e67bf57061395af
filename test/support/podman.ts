import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { type Finished, run, runOk, type RunOptions } from './process.ts';
import { tempDir } from './temp-dir.ts';

/** Needs the tools `podman` and `root`. */
export interface Podman {
  /** `podman` on folders of its own, whatever its exit code; containers run with `--network none`. */
  podman(args: readonly string[], options?: RunOptions): Promise<Finished>;
  podmanOk(args: readonly string[], options?: RunOptions): Promise<Finished>;
}

export function createPodman(cleanup: Cleanup, { registriesConf, netns }: { registriesConf?: string; netns?: string } = {}): Podman {
  const dir = tempDir(cleanup, 'pod');
  const policy = join(dir, 'policy.json');
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const storage = ['--root', join(dir, 'root'), '--runroot', join(dir, 'run'), '--tmpdir', join(dir, 'tmp'), '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'none'];
  const env = { XDG_RUNTIME_DIR: dir, ...(registriesConf === undefined ? {} : { CONTAINERS_REGISTRIES_CONF: registriesConf }) };
  const command = (args: readonly string[]): string[] => [...storage, ...args.flatMap((arg) => (arg === 'pull' ? ['pull', '--signature-policy', policy] : [arg]))];
  const options = (more: RunOptions = {}): RunOptions => ({ netns, env, deadline: 300_000, ...more });
  return {
    podman: (args, more) => run('podman', command(args), options(more)),
    podmanOk: (args, more) => runOk('podman', command(args), options(more)),
  };
}
