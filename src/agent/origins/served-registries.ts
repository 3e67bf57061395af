import type { Origin } from '../../origin/origin.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import type { RegistryStatus } from '../../status/status-document.ts';
import type { AgentConfig } from '../config/config.ts';

/** The registries whose images an agent serves, each as well as it is now. */
export function servedRegistries(
  { mirrors: aliases }: Pick<AgentConfig, 'mirrors'>,
  origin: Pick<Origin, 'url' | 'health'> | undefined,
  mirrors: readonly { readonly name: string; readonly origin: Pick<Origin, 'url' | 'health'> }[],
): RegistryStatus[] {
  const own =
    origin === undefined || origin.url.startsWith('embedded:') ? [] : [registryStatus(registryNameOf(origin.url), 'origin', origin)];
  return [
    ...own,
    ...aliases
      .filter((name) => name !== own[0]?.name)
      .map((name): RegistryStatus => ({
        name,
        kind: 'alias',
        url: null,
        state: null,
        reason: null,
        bytes: 0,
        reachedAt: null,
        answers: {},
      })),
    ...mirrors.map((mirror) => registryStatus(mirror.name, 'mirror', mirror.origin)),
  ];
}

/** The same of an agent that does not run. */
export function configuredRegistries({
  mirrors,
  upstreams,
  origin,
}: Pick<AgentConfig, 'mirrors' | 'upstreams' | 'origin'>): RegistryStatus[] {
  const health = { state: 'unknown', bytes: 0 } as const;
  return servedRegistries(
    { mirrors },
    origin.startsWith('http') ? { url: origin, health } : undefined,
    upstreams.map(({ name, url }) => ({ name, origin: { url, health } })),
  );
}

function registryStatus(name: string, kind: 'origin' | 'mirror', { url, health }: Pick<Origin, 'url' | 'health'>): RegistryStatus {
  return {
    name,
    kind,
    url,
    state: health.state,
    reason: health.reason ?? null,
    bytes: health.bytes,
    reachedAt: isoTime(health.reachedAt),
    answers: Object.fromEntries(health.answers ?? []),
  };
}

/** @param ms since the epoch */
export function isoTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
