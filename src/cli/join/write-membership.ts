import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { parseSwarmKey } from '../../swarm/network/swarm-key.ts';
import { owner } from '../../setup/backup.ts';
import { type FileState, makeFolder, readState, writeState } from '../../setup/file-state.ts';
import { readYamlMap } from '../../setup/yaml-map.ts';
import type { JoinToken } from './token.ts';

export interface Membership {
  readonly config: string;
  readonly swarmKey: string;
  readonly keyId: string;
}

/**
 * Writes key, CA and configuration of a new member; what else the configuration says stays. The secrets are of the user that owns
 * the data directory, where there is one: the agent's. @throws `usage` where the host is a member of another swarm; `key-invalid`
 */
export async function writeMembership(token: JoinToken, config: string, data: string): Promise<Membership> {
  const folder = dirname(config);
  const { id: keyId } = parseSwarmKey(token.key, 'the key in the token');
  const user = (await ownerOf(data)) ?? owner();
  const keyFile = join(folder, 'swarm.key');
  const before = await readState(keyFile);
  if (before.kind === 'file' && !before.content.equals(token.key))
    throw new LayerswarmError(
      'usage',
      `${keyFile} is the key of another swarm: move it away first, or keep both in swarmKey of ${config} by hand`,
    );
  const edited = edit(await readState(config), config, { ...token, keyFile, caFile: join(folder, 'origin-ca.pem') });

  await makeFolder(folder);
  await writeState(keyFile, { kind: 'file', content: token.key, mode: 0o600, ...user });
  if (token.originCa !== undefined)
    await writeState(join(folder, 'origin-ca.pem'), { kind: 'file', content: Buffer.from(token.originCa), mode: 0o644, ...owner() });
  await writeState(config, edited);
  return { config, swarmKey: keyFile, keyId };
}

function edit(
  before: FileState,
  path: string,
  { addresses, origin, originCa, charterKey, keyFile, caFile }: JoinToken & { keyFile: string; caFile: string },
): FileState {
  const read = readYamlMap(before.kind === 'file' ? before.content.toString('utf8') : '');
  if ('problem' in read)
    throw new LayerswarmError('config-invalid', `${path}: expected a map of settings in YAML, received ${read.problem}: mend it first`);
  const { document } = read;
  document.set('swarmKey', [keyFile]);
  document.set('bootstrap', [...addresses]);
  if (origin !== undefined) document.set('origin', origin);
  if (originCa !== undefined) document.set('originCa', caFile);
  if (charterKey !== undefined) document.set('charterKey', charterKey);
  const { mode, uid, gid } = before.kind === 'file' ? before : { mode: 0o644, ...owner() };
  return { kind: 'file', content: Buffer.from(document.toString({ lineWidth: 0 })), mode, uid, gid };
}

async function ownerOf(path: string): Promise<{ uid: number; gid: number } | undefined> {
  try {
    const { uid, gid } = await stat(path);
    return process.geteuid?.() === 0 ? { uid, gid } : undefined;
  } catch {
    return undefined; // the agent has not run here yet
  }
}
