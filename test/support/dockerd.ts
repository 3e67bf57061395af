import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { startContainerd } from './containerd.ts';
import { type Finished, run, runOk, type RunOptions, startProgram } from './process.ts';
import { tempDir } from './temp-dir.ts';

export interface DockerdOptions {
  /** `--registry-mirror`: where pulls from docker.io go first. */
  readonly mirror?: string;
  readonly insecureRegistries?: readonly string[];
  /** daemon.json; an empty one when absent. */
  readonly configFile?: string;
  readonly netns?: string;
}

/** Needs the tools `dockerd`, `docker`, `containerd`, `runc` and `root`. */
export interface Dockerd {
  readonly socket: string;
  readonly pidFile: string;
  readonly log: () => string;
  /** `docker` on this daemon, whatever its exit code. */
  readonly docker: (args: readonly string[], options?: RunOptions) => Promise<Finished>;
  readonly dockerOk: (args: readonly string[], options?: RunOptions) => Promise<Finished>;
}

/**
 * A Docker Engine with folders and a containerd of its own, and without a network of its own: containers run with
 * `--network none` or `host`.
 */
export async function startDockerd(
  cleanup: Cleanup,
  { mirror, insecureRegistries = ['127.0.0.0/8'], configFile, netns }: DockerdOptions = {},
): Promise<Dockerd> {
  const containerd = await startContainerd(cleanup, netns);
  const dir = tempDir(cleanup, 'dkr');
  const socket = join(dir, 'd.sock');
  // Not the machine's own /etc/docker/daemon.json.
  const config = configFile ?? join(dir, 'daemon.json');
  if (configFile === undefined) writeFileSync(config, '{}');
  const pidFile = join(dir, 'pid');
  // a container on the host's network leaves its namespace mounted
  cleanup.teardown(async () => {
    await run('umount', ['--lazy', join(dir, 'exec/netns/default')]);
  });
  const program = startProgram(
    cleanup,
    'dockerd',
    [
      '--host',
      `unix://${socket}`,
      '--data-root',
      join(dir, 'data'),
      '--exec-root',
      join(dir, 'exec'),
      '--pidfile',
      pidFile,
      '--config-file',
      config,
      '--containerd',
      containerd.socket,
      '--iptables=false',
      '--ip6tables=false',
      '--bridge=none',
      ...insecureRegistries.flatMap((registry) => ['--insecure-registry', registry]),
      ...(mirror === undefined ? [] : ['--registry-mirror', mirror]),
    ],
    { netns },
  );
  await program.waitForOutput(/API listen on/);
  const options = (more: RunOptions = {}): RunOptions => ({
    netns,
    env: { DOCKER_CONFIG: join(dir, 'config') },
    deadline: 300_000,
    ...more,
  });
  return {
    socket,
    pidFile,
    log: () => program.stderr,
    docker: (args, more) => run('docker', ['--host', `unix://${socket}`, ...args], options(more)),
    dockerOk: (args, more) => runOk('docker', ['--host', `unix://${socket}`, ...args], options(more)),
  };
}
