import { realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { dataDirectory } from '../../agent/config/data-directory.ts';
import { LayerswarmError } from '../../errors.ts';
import type { SetupPlace } from '../../setup/setup.ts';
import type { CommandContext } from '../command.ts';

/** Whose configuration is changed: the host's by root, a user's own by others, an image's with a root folder. */
export async function setupPlace(rootFolder: string, context: CommandContext): Promise<SetupPlace> {
  const root = await realRoot(rootFolder);
  const uid = process.geteuid?.() ?? 0;
  const data = await dataDirectory({ flag: context.data, file: context.configFile });
  if (root !== '/')
    return {
      root,
      configFolder: '/etc',
      backups: join(context.data === undefined ? join(root, uid === 0 ? data : '/var/lib/layerswarm') : data, 'setup'),
    };
  if (uid === 0) return { root, configFolder: '/etc', backups: join(data, 'setup') };
  const configFolder = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  if (!configFolder.startsWith('/'))
    throw new LayerswarmError('usage', `expected an absolute path as XDG_CONFIG_HOME, received ${configFolder}`);
  return { root, configFolder, backups: join(data, 'setup') };
}

async function realRoot(folder: string): Promise<string> {
  try {
    return await realpath(resolve(folder));
  } catch (error) {
    throw new LayerswarmError('usage', `expected a folder as --root, received ${folder}`, { cause: error });
  }
}
