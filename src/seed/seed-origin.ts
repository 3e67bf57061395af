import type { CopyTarget } from '../copy/copy-target.ts';
import type { SourceRegistry } from '../copy/registry-image.ts';

/** Where images are seeded to: the origin of the swarm, as it is known now. */
export interface SeedOrigin {
  readonly registry: SourceRegistry;
  readonly target: CopyTarget;
  /** The registry part of its images. */
  readonly registryName: string;
  /** It is this node: what is pushed there is in the store. */
  readonly embedded: boolean;
}
