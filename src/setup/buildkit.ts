import { posix } from 'node:path';
import { LayerswarmError } from '../errors.ts';
import type { Runtime } from './runtime.ts';
import { getToml, parseToml, setToml } from './toml-edit.ts';

/** BuildKit's buildkitd.toml(5). It names the registry that it means (`?ns=`), so that all are asked for at the same place. */
export const buildkit: Runtime = {
  name: 'buildkit',
  reload: {
    kind: 'restart',
    when: () => true,
    command: 'systemctl restart buildkit',
    reason: 'buildkitd.toml is read at start only; builds that run are lost',
  },
  async plan(files, { endpoint, registries }, configFolder) {
    const path = posix.join(configFolder, 'buildkit', 'buildkitd.toml');
    let text = (await files.read(path)) ?? '';
    for (const { name } of registries) {
      const keys = ['registry', name, 'mirrors'];
      const before = getToml(parseToml(text, path), keys) ?? [];
      if (!Array.isArray(before) || !before.every((mirror) => typeof mirror === 'string'))
        throw new LayerswarmError(
          'config-invalid',
          `${path}: expected a list of names as ${keys.join('.')}, received ${JSON.stringify(before).slice(0, 60)}`,
        );
      if (!before.includes(endpoint.host)) text = setToml(text, path, keys, [endpoint.host, ...before]);
    }
    const http = ['registry', endpoint.host, 'http'];
    if (endpoint.protocol === 'http:' && getToml(parseToml(text, path), http) !== true) text = setToml(text, path, http, true);
    return {
      files: [{ path, content: text }],
      registries: registries.map(({ name }) => name),
      notes: [
        "a buildkitd in a container reaches this host's loopback with its network only: docker buildx create --driver-opt network=host --buildkitd-config FILE",
      ],
    };
  },
};
