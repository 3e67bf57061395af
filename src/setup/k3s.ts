import { posix } from 'node:path';
import { isMap, isSeq } from 'yaml';
import { LayerswarmError } from '../errors.ts';
import type { Runtime } from './runtime.ts';
import { readYamlMap } from './yaml-map.ts';

/** k3s and RKE2 make the `hosts.toml` files of their own containerd out of one `registries.yaml`, and write over all others. */
function rancher(name: 'k3s' | 'rke2', command: string): Runtime {
  return {
    name,
    reload: { kind: 'restart', when: () => true, command, reason: 'registries.yaml is read at start only; containers keep running' },
    async plan(files, { endpoint, registries }, configFolder) {
      const path = posix.join(configFolder, 'rancher', name, 'registries.yaml');
      const text = registries.reduce(
        (before, registry) => addMirror(before, path, registry.name, endpoint.origin),
        (await files.read(path)) ?? '',
      );
      return { files: [{ path, content: text }], registries: registries.map((registry) => registry.name), notes: [] };
    },
  };
}

export const k3s = rancher('k3s', 'systemctl restart k3s (k3s-agent where this host is no server)');
export const rke2 = rancher('rke2', 'systemctl restart rke2-server (rke2-agent where this host is no server)');

/** A registries.yaml in which the agent is asked before other mirrors of a registry. @throws `config-invalid` */
function addMirror(text: string, path: string, registry: string, mirror: string): string {
  const read = readYamlMap(text);
  if ('problem' in read)
    throw new LayerswarmError(
      'config-invalid',
      `${path}: expected a YAML map, received ${read.problem}: mend it first, then run setup again`,
    );
  const { document } = read;
  const keys = ['mirrors', registry, 'endpoint'];
  const mirrors = document.get('mirrors');
  const endpoints = isMap(mirrors) && isMap(mirrors.get(registry)) ? document.getIn(keys) : undefined;
  if (isSeq(endpoints)) {
    if (endpoints.items.some((_, index) => endpoints.get(index) === mirror)) return text;
    endpoints.items.unshift(document.createNode(mirror));
  } else if (isMap(mirrors) && isMap(mirrors.get(registry))) {
    document.setIn(keys, [mirror]);
  } else if (isMap(mirrors)) {
    mirrors.set(registry, document.createNode({ endpoint: [mirror] }));
  } else {
    document.set('mirrors', document.createNode({ [registry]: { endpoint: [mirror] } }));
  }
  return document.toString({ lineWidth: 0 });
}
