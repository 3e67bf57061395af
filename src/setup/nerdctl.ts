import { posix } from 'node:path';
import { LayerswarmError } from '../errors.ts';
import { hostsFiles } from './containerd.ts';
import { type Runtime } from './runtime.ts';
import { parseToml } from './toml-edit.ts';

/** nerdctl, which reads containerd's `hosts.toml` files by itself: containerd's own configuration need not change. */
export const nerdctl: Runtime = {
  name: 'nerdctl',
  reload: { kind: 'none' },
  async plan(files, target, configFolder) {
    const main = posix.join(configFolder, 'nerdctl', 'nerdctl.toml');
    const folders = parseToml((await files.read(main)) ?? '', main)['hosts_dir'];
    const [certs = posix.join(configFolder, 'containerd', 'certs.d')] = Array.isArray(folders) ? folders : [];
    if (typeof certs !== 'string' || !posix.isAbsolute(certs))
      throw new LayerswarmError('config-invalid', `${main}: expected absolute folders as hosts_dir, received ${JSON.stringify(folders)}`);
    return {
      files: await hostsFiles(files, certs, target),
      registries: target.registries.map(({ name }) => name),
      notes: ['nerdctl reads it at each pull'],
    };
  },
};
