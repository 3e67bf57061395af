import type { Logger } from '../log.ts';
import { readSwarmKey, type SwarmKey } from '../swarm/network/swarm-key.ts';

/** @throws `key-invalid` */
export async function loadSwarmKeys(files: readonly string[], log: Logger): Promise<SwarmKey[]> {
  const keys: SwarmKey[] = [];
  for (const file of files) {
    const { key, warning } = await readSwarmKey(file);
    if (warning !== undefined) log.warn(warning);
    keys.push(key);
  }
  return keys;
}
