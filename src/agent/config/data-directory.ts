import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

const SYSTEM_CONFIG_FILE = '/etc/layerswarm/layerswarm.yaml';

export interface DataDirectoryOptions {
  /** `--data` */
  readonly flag: string | undefined;
  /** `--config` */
  readonly file: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
}

/**
 * The data directory alone, for commands that only talk to the agent of it: they need no schema, and a parser only where there is a
 * file. @throws `config-invalid` for a file that cannot be read
 */
export async function dataDirectory({
  flag,
  file,
  env = process.env,
  uid = process.getuid?.() ?? 0,
}: DataDirectoryOptions): Promise<string> {
  const given = flag ?? env['LAYERSWARM_DATA'];
  if (given !== undefined && given !== '') return resolve(given);
  const config = await configFile(file, env);
  if (config === undefined) return defaultData(uid, env);
  const { readYaml } = await import('./config-sources.ts');
  const { data } = (await readYaml(config)) as { data?: unknown };
  return typeof data === 'string' && data !== '' ? resolve(data) : defaultData(uid, env);
}

export function defaultData(uid: number, env: NodeJS.ProcessEnv): string {
  return uid === 0 ? '/var/lib/layerswarm' : join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'layerswarm');
}

/** The file that is read: the one that is named, else that of the system where there is one. */
export async function configFile(named: string | undefined, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const file = named ?? env['LAYERSWARM_CONFIG'];
  if (file !== undefined && file !== '') return file;
  try {
    await access(SYSTEM_CONFIG_FILE);
    return SYSTEM_CONFIG_FILE;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // One that is there and cannot be read is read all the same, for the message.
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : SYSTEM_CONFIG_FILE;
  }
}
