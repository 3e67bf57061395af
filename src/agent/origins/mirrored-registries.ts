import type { Origin } from '../../origin/origin.ts';
import type { MirroredRegistry } from '../../registry/registry.ts';
import type { TagMemory } from '../../swarm/tag-memory.ts';
import type { RuledUpstream } from '../charter/swarm-rules.ts';
import type { ExcludedRepositories } from '../config/excluded-repositories.ts';

export interface MirrorParts {
  readonly open: (upstream: RuledUpstream) => Origin;
  readonly tags: TagMemory;
  readonly excluded: ExcludedRepositories;
}

/** A registry that is served beside the origin. What members remember of its tags is by name, since each may read another upstream. */
export function mirroredRegistry(upstream: RuledUpstream, { open, tags, excluded }: MirrorParts): MirroredRegistry {
  const { name } = upstream;
  return {
    name,
    origin: open(upstream),
    tagMemory: (repository, tag, signal) => tags.ask(`registry://${name}`, repository, tag, { signal }),
    isExcluded: (repository) => excluded.has(`${name}/${repository}`),
  };
}
