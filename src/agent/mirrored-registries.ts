import type { Origin } from '../origin/origin.ts';
import type { MirroredRegistry } from '../registry/registry.ts';
import type { TagMemory } from '../swarm/tag-memory.ts';
import type { UpstreamConfig } from './config.ts';
import type { ExcludedRepositories } from './excluded-repositories.ts';

export interface MirrorParts {
  readonly upstreams: readonly UpstreamConfig[];
  readonly open: (upstream: UpstreamConfig) => Origin;
  readonly tags: TagMemory;
  readonly excluded: ExcludedRepositories;
}

/** The registries that are served beside the origin. What members remember of their tags is by name, since each may read another upstream. */
export function mirroredRegistries({ upstreams, open, tags, excluded }: MirrorParts): MirroredRegistry[] {
  return upstreams.map((upstream) => {
    const { name } = upstream;
    return {
      name,
      origin: open(upstream),
      tagMemory: (repository, tag, signal) => tags.ask(`registry://${name}`, repository, tag, { signal }),
      isExcluded: (repository) => excluded.has(`${name}/${repository}`),
    };
  });
}
