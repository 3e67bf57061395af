import type { ContentInfo } from './content-client.ts';

/**
 * containerd notes at each blob that it pulled: `containerd.io/distribution.source.<host>` = repositories, comma-separated. The host
 * comes without its port (containerd, remotes/docker/handler.go: `u.Hostname()`).
 */
const SOURCE = 'containerd.io/distribution.source.';

export interface SharingRules {
  /** Registries that the swarm's origin answers for, itself among them. */
  readonly registries: readonly string[];
  /** Of a full name, `registry/repository`. */
  readonly isExcluded: (repository: string) => boolean;
}

/**
 * Pure: whether members may have a blob of this host's content store: one that was pulled from a registry of the swarm, and from a
 * repository of it that is not excluded. What was pulled from elsewhere came with somebody's credentials for elsewhere; what has no
 * source was built or imported here.
 */
export function mayShareContent({ labels }: Pick<ContentInfo, 'labels'>, { registries, isExcluded }: SharingRules): boolean {
  return Object.entries(labels).some(([name, repositories]) => {
    const sources = name.startsWith(SOURCE) ? registries.filter((registry) => hostOf(registry) === name.slice(SOURCE.length)) : [];
    return sources.some((registry) =>
      repositories.split(',').some((repository) => repository !== '' && !isExcluded(`${registry}/${repository}`)),
    );
  });
}

function hostOf(registry: string): string {
  return registry.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
