import { registryNameOf } from '../origin/registry-name.ts';
import type { RegistryStatus } from '../status/status-document.ts';
import type { AgentConfig } from './config.ts';

/** The registries whose images an agent serves. `origin`: its URL, where one is known. */
export function servedRegistries(config: Pick<AgentConfig, 'mirrors'>, origin: string | undefined): RegistryStatus[] {
  const own = origin === undefined || origin.startsWith('embedded:') ? [] : [{ name: registryNameOf(origin), kind: 'origin', url: origin } as const];
  const aliases = config.mirrors.filter((name) => name !== own[0]?.name).map((name) => ({ name, kind: 'alias', url: null }) as const);
  return [...own, ...aliases];
}
