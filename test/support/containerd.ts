import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { type Finished, runOk, type RunOptions, run, startProgram } from './process.ts';
import { tempDir } from './temp-dir.ts';

/** Needs the tools `containerd`, `ctr`, `runc` and `root`. */
export interface Containerd {
  readonly socket: string;
  readonly dir: string;
  /** `ctr` on this daemon, whatever its exit code. */
  readonly ctr: (args: readonly string[], options?: RunOptions) => Promise<Finished>;
  readonly ctrOk: (args: readonly string[], options?: RunOptions) => Promise<Finished>;
  /** A folder for `ctr images pull --hosts-dir`: pulls from `registry` ask `mirror` first, as `_default` when no registry is named. */
  readonly hostsDir: (mirror: string, registry?: { readonly name: string; readonly url: string }) => string;
}

export async function startContainerd(cleanup: Cleanup, netns?: string): Promise<Containerd> {
  const dir = tempDir(cleanup, 'ctd');
  const socket = join(dir, 'c.sock');
  const config = join(dir, 'config.toml');
  writeFileSync(
    config,
    [
      'version = 2',
      `root = "${join(dir, 'root')}"`,
      `state = "${join(dir, 'state')}"`,
      'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
      '[grpc]',
      `  address = "${socket}"`,
      '[ttrpc]',
      `  address = "${join(dir, 't.sock')}"`,
      '',
    ].join('\n'),
  );
  const program = startProgram(cleanup, 'containerd', ['--config', config], { netns });
  await program.waitForOutput(/containerd successfully booted/);
  let hosts = 0;
  return {
    socket,
    dir,
    ctr: (args, options) => run('ctr', ['--address', socket, ...args], { netns, ...options }),
    ctrOk: (args, options) => runOk('ctr', ['--address', socket, ...args], { netns, ...options }),
    hostsDir(mirror, registry) {
      hosts += 1;
      const folder = join(dir, `hosts${hosts}`);
      const host = join(folder, registry?.name.replace(/:(\d+)$/, '_$1_') ?? '_default');
      mkdirSync(host, { recursive: true });
      const server = registry === undefined ? [] : [`server = "${registry.url}"`];
      writeFileSync(join(host, 'hosts.toml'), [...server, `[host."${mirror}"]`, '  capabilities = ["pull", "resolve"]', ''].join('\n'));
      return folder;
    },
  };
}
