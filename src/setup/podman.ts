import { posix } from 'node:path';
import { stringify, type TomlTable, type TomlValue } from 'smol-toml';
import { LayerswarmError } from '../errors.ts';
import { type HostFiles, isLoopback, type RegistryTarget, type Runtime } from './runtime.ts';
import { isTable, parseToml } from './toml-edit.ts';

/** Read last, since the last file that has a prefix says all about it: containers/image, sysregistriesv2. */
const DROP_IN = 'zz-layerswarm.conf';

/** podman, CRI-O, skopeo and buildah, which share containers-registries.conf(5). */
export const podman: Runtime = {
  name: 'podman',
  reload: { kind: 'none' },
  async plan(files, { endpoint, registries }, configFolder) {
    if (endpoint.protocol === 'http:' && !isLoopback(endpoint)) {
      throw new LayerswarmError(
        'unsupported',
        `expected an endpoint on loopback or with TLS, received ${endpoint.origin}: podman would have to trust it without either`,
      );
    }
    const folder = posix.join(configFolder, 'containers');
    const main = posix.join(folder, 'registries.conf');
    const dropIns = posix.join(folder, 'registries.conf.d');
    const known = await knownRegistries(files, main, dropIns);
    const entries = registries.map((registry) => entryOf(registry, endpoint, known.get(registry.name)));
    const reused = registries.filter(({ name }) => known.has(name)).map(({ name }) => name);
    const content = [
      '# The node of layerswarm on this host; "layerswarm setup podman --undo" takes this file away.',
      ...(reused.length === 0
        ? []
        : [
            `# What other files say about ${reused.join(', ')} is repeated here, since this one stands in for it: change it there, then run setup again.`,
          ]),
      '',
      ...entries.map((entry) => stringify({ registry: [entry] })),
    ].join('\n');
    return {
      files: [{ path: posix.join(dropIns, DROP_IN), content }],
      registries: registries.map(({ name }) => name),
      notes: ['podman, skopeo and buildah read it at each pull; CRI-O after "systemctl reload crio"'],
    };
  },
};

function entryOf(registry: RegistryTarget, endpoint: URL, before: TomlTable | undefined): TomlTable {
  const { name, server, path } = registry;
  const location = path === undefined ? endpoint.host : `${endpoint.host}/${path}`;
  const mirror: TomlTable = { location, ...(endpoint.protocol === 'http:' ? { insecure: true } : {}) };
  const mirrors = before?.['mirror'];
  const others = Array.isArray(mirrors) ? mirrors.filter((other) => !isTable(other) || other['location'] !== location) : [];
  // the registry itself is spoken to without TLS only where the agent was told so about a loopback one
  const insecure: TomlTable = before === undefined && server.startsWith('http:') && isLoopback(new URL(server)) ? { insecure: true } : {};
  return { prefix: name, location: name, ...insecure, ...before, mirror: [mirror, ...others] };
}

/** What is said about registries already, by prefix, as podman would have it: later files win. @throws `unsupported` for files of version 1 */
async function knownRegistries(files: HostFiles, main: string, dropIns: string): Promise<Map<string, TomlTable>> {
  const names = (await files.list(dropIns)).filter((name) => name.endsWith('.conf') && name !== DROP_IN).sort();
  const after = names.find((name) => name > DROP_IN);
  const known = new Map<string, TomlTable>();
  for (const path of [main, ...names.map((name) => posix.join(dropIns, name))]) {
    const text = await files.read(path);
    if (text === undefined) continue;
    const table = parseToml(text, path);
    if (table['registries'] !== undefined) {
      throw new LayerswarmError(
        'unsupported',
        `${path} is of version 1 ([registries.…]), which has no mirrors: write it as [[registry]] tables, see containers-registries.conf(5)`,
      );
    }
    for (const registry of list(table['registry'])) {
      const prefix = registry['prefix'] ?? registry['location'];
      if (typeof prefix !== 'string') continue;
      if (after !== undefined && path.endsWith(`/${after}`))
        throw new LayerswarmError('unsupported', `${path} is read after ${DROP_IN} and would undo it: rename it so that it sorts before`);
      known.set(prefix, registry);
    }
  }
  return known;
}

function list(value: TomlValue | undefined): TomlTable[] {
  return Array.isArray(value) ? value.filter(isTable) : [];
}
