import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { HostFiles, SetupTarget } from '../../src/setup/runtime.ts';
import type { SetupPlace } from '../../src/setup/setup.ts';
import type { Cleanup } from './cleanup.ts';
import { tempDir } from './temp-dir.ts';

/** Files of a host, by path. */
export type Files = Readonly<Record<string, string>>;

/** The plan's view of a host that is only these files. */
export function hostFiles(files: Files): HostFiles {
  return {
    read: (path) => Promise.resolve(files[path]),
    list: (folder) =>
      Promise.resolve(
        [
          ...new Set(
            Object.keys(files)
              .filter((path) => path.startsWith(`${folder}/`))
              .map((path) => path.slice(folder.length + 1).split('/')[0]!),
          ),
        ].sort(),
      ),
  };
}

/** A root folder that holds these files. */
export function setupRoot(cleanup: Cleanup, files: Files, mode = 0o644): SetupPlace {
  const root = tempDir(cleanup, 'root');
  mkdirSync(join(root, 'etc'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), mode);
  }
  return { root, configFolder: '/etc', backups: join(root, 'var/lib/layerswarm/setup') };
}

/** Everything under `/etc` of a root: folders, links, and files with their bytes, mode and owner. */
export function snapshot({ root }: Pick<SetupPlace, 'root'>): Record<string, string> {
  const folder = join(root, 'etc');
  return Object.fromEntries(
    (readdirSync(folder, { recursive: true }) as string[]).sort().map((path) => {
      const full = join(folder, path);
      const status = lstatSync(full);
      if (status.isDirectory()) return [path, 'folder'];
      if (status.isSymbolicLink()) return [path, `link to ${readlinkSync(full)}`];
      return [path, `${status.mode.toString(8)} ${status.uid}:${status.gid} ${readFileSync(full, 'base64')}`];
    }),
  );
}

export const HUB = { name: 'docker.io', server: 'https://registry-1.docker.io' } as const;
export const PRIVATE = { name: 'registry.example:5000', server: 'https://registry.example:5000' } as const;
export const QUAY = { name: 'quay.io', server: 'https://quay.io', path: 'quay.io' } as const;

export function target(more: Partial<SetupTarget> = {}): SetupTarget {
  return { endpoint: new URL('http://127.0.0.1:5050'), registries: [HUB], everyRegistry: false, ...more };
}

/** `/etc/containerd/config.toml` as Debian has it. */
export const DEBIAN_CONTAINERD = `version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
`;
