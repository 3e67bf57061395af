import { join, posix } from 'node:path';
import type { TomlTable, TomlValue } from 'smol-toml';
import { globToRegExp } from '../glob.ts';
import { LayerswarmError } from '../errors.ts';
import { addHost } from './containerd-hosts.ts';
import type { HostFiles, Runtime, RuntimePlan, SetupTarget } from './runtime.ts';
import { getToml, isTable, parseToml, setToml } from './toml-edit.ts';

const MAX_IMPORTS = 100;

/** containerd (1.5 and newer), its CRI plugin, and what reads its `certs.d` too: nerdctl, `ctr --hosts-dir`. */
export const containerd: Runtime = {
  name: 'containerd',
  reload: {
    kind: 'restart',
    when: (path) => path.endsWith('/config.toml'),
    command: 'systemctl restart containerd',
    reason: 'config.toml is read at start only; containers keep running',
  },
  async plan(files, target, configFolder) {
    const folder = posix.join(configFolder, 'containerd');
    const main = posix.join(folder, 'config.toml');
    const { certs, config, notes } = await findCerts(files, main, posix.join(folder, 'certs.d'));
    return {
      files: [...(config === undefined ? [] : [{ path: main, content: config }]), ...(await hostsFiles(files, certs, target))],
      registries: target.registries.map(({ name }) => name),
      notes,
    };
  },
};

/** The `hosts.toml` files alone. */
export async function hostsFiles(
  files: HostFiles,
  certs: string,
  { endpoint, registries, everyRegistry }: SetupTarget,
): Promise<RuntimePlan['files']> {
  const wanted = [
    ...(everyRegistry ? [{ folder: '_default', server: undefined }] : []),
    ...(await Promise.all(registries.map(async ({ name, server }) => ({ folder: await folderOf(files, certs, name), server })))),
  ];
  return Promise.all(
    wanted.map(async ({ folder, server }) => {
      const path = posix.join(certs, folder, 'hosts.toml');
      const before = await files.read(path);
      const certificates = before === undefined ? await files.list(posix.join(certs, folder)) : [];
      return { path, content: addHost(before, path, { endpoint: endpoint.origin, server, certificates }) };
    }),
  );
}

/** containerd looks into `host_port_` before `host:port`: remotes/docker/config/hosts.go, hostPaths. */
async function folderOf(files: HostFiles, certs: string, name: string): Promise<string> {
  const underscored = name.replace(/:(\d+)$/, '_$1_');
  return underscored !== name && (await files.list(certs)).includes(underscored) ? underscored : name;
}

interface FoundCerts {
  /** The folder of `hosts.toml` files that the CRI plugin reads. */
  readonly certs: string;
  /** The whole of config.toml where it has to change. */
  readonly config: string | undefined;
  readonly notes: readonly string[];
}

async function findCerts(files: HostFiles, main: string, fallback: string): Promise<FoundCerts> {
  const text = await files.read(main);
  const table = parseToml(text ?? '', main);
  const keys = registryKeys(table, text === undefined ? 2 : 1);
  for (const { path, table: imported } of [{ path: main, table }, ...(await imports(files, main, table))]) {
    const configPath = getToml(imported, [...registryKeys(imported, 1), 'config_path']);
    if (typeof configPath === 'string' && configPath !== '') return { certs: firstFolder(configPath, path), config: undefined, notes: [] };
  }
  if (isDisabled(table)) {
    return {
      certs: fallback,
      config: undefined,
      notes: [
        `${main} turns the CRI plugin off, so it was left alone: nerdctl reads ${fallback} by itself, ctr with --hosts-dir ${fallback}`,
      ],
    };
  }
  refuseOldMirrors(table, keys, main);
  const content = text === undefined ? 'version = 2\n' : text;
  return { certs: fallback, config: setToml(content, main, [...keys, 'config_path'], fallback), notes: [] };
}

/** Where the CRI plugin has its registries, by the version of the configuration. A file without one is of version 1. */
function registryKeys(table: TomlTable, withoutVersion: number): readonly string[] {
  const version = table['version'] ?? withoutVersion;
  if (version === 1) return ['plugins', 'cri', 'registry'];
  return ['plugins', version === 2 ? 'io.containerd.grpc.v1.cri' : 'io.containerd.cri.v1.images', 'registry'];
}

/** containerd does not start its CRI plugin when both ways are configured: pkg/cri/config, ValidatePluginConfig. */
function refuseOldMirrors(table: TomlTable, keys: readonly string[], path: string): void {
  const registry = getToml(table, keys);
  if (!isTable(registry)) return;
  const configs = registry['configs'];
  const tls = isTable(configs) && Object.values(configs).some((config) => isTable(config) && config['tls'] !== undefined);
  const old = hasEntries(registry['mirrors']) ? 'mirrors' : tls ? 'configs.….tls' : undefined;
  if (old === undefined) return;
  throw new LayerswarmError(
    'unsupported',
    `${path} sets ${keys.slice(1).join('.')}.${old}, which containerd refuses beside config_path: move it into hosts.toml files and set config_path, then run setup again`,
  );
}

function isDisabled(table: TomlTable): boolean {
  const disabled = table['disabled_plugins'];
  return (
    Array.isArray(disabled) &&
    disabled.some((name) => name === 'cri' || name === 'io.containerd.grpc.v1.cri' || name === 'io.containerd.cri.v1.images')
  );
}

function hasEntries(value: TomlValue | undefined): boolean {
  return isTable(value) && Object.keys(value).length > 0;
}

/** `config_path` may name several folders; the first that has a registry counts. */
function firstFolder(configPath: string, path: string): string {
  const [folder] = configPath.split(':');
  if (folder === undefined || !posix.isAbsolute(folder))
    throw new LayerswarmError(
      'config-invalid',
      `${path}: expected an absolute folder as config_path, received ${JSON.stringify(configPath)}`,
    );
  return folder;
}

/** Files that config.toml imports, of which a name may hold `*`; what they say goes before what it says itself. */
async function imports(files: HostFiles, main: string, table: TomlTable): Promise<{ path: string; table: TomlTable }[]> {
  const patterns = table['imports'];
  if (!Array.isArray(patterns)) return [];
  const found: { path: string; table: TomlTable }[] = [];
  for (const pattern of patterns) {
    if (typeof pattern !== 'string') continue;
    const absolute = posix.isAbsolute(pattern) ? pattern : join(posix.dirname(main), pattern);
    const matches = globToRegExp(posix.basename(absolute));
    for (const name of await files.list(posix.dirname(absolute))) {
      if (!matches.test(name) || found.length >= MAX_IMPORTS) continue;
      const path = posix.join(posix.dirname(absolute), name);
      const text = await files.read(path);
      if (text !== undefined) found.push({ path, table: parseToml(text, path) });
    }
  }
  return found.reverse();
}
