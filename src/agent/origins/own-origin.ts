import { registryNameOf, repositoryPrefixOf } from '../../origin/registry-name.ts';
import type { Origin } from '../../origin/origin.ts';
import type { SwarmRules } from '../charter/swarm-rules.ts';
import type { ExcludedRepositories } from '../config/excluded-repositories.ts';
import type { CurrentOrigin } from './current-origin.ts';
import type { OriginLabel } from './origin-label.ts';

/** The registry that this node reads from for the swarm, as it is known at each moment, and the names that mean it: functions, to be handed on as they are. */
export class OwnOrigin {
  readonly #origins: CurrentOrigin;
  readonly #label: OriginLabel;
  readonly #rules: SwarmRules;
  readonly #excluded: ExcludedRepositories;

  constructor(origins: CurrentOrigin, label: OriginLabel, rules: SwarmRules, excluded: ExcludedRepositories) {
    this.#origins = origins;
    this.#label = label;
    this.#rules = rules;
    this.#excluded = excluded;
  }

  /** undefined while it has not been learned. */
  readonly origin = (): Origin | undefined => this.#origins.get();

  /** The registry part of its images. */
  readonly registryName = (): string | undefined => {
    const origin = this.origin();
    return origin === undefined ? undefined : registryNameOf(origin.url);
  };

  /** The path of a registry that is one under a path, else nothing. */
  readonly repositoryPrefix = (): string => {
    const origin = this.origin();
    return origin === undefined ? '' : repositoryPrefixOf(origin.url);
  };

  /** Of its repositories, by their name there. */
  readonly isExcluded = (repository: string): boolean => this.#excluded.has(`${this.registryName() ?? ''}/${repository}`);

  /** Registries that it answers for, what it is called itself among them. */
  readonly aliases = (): readonly string[] => [
    ...(this.#label.registry === undefined ? [] : [this.#label.registry]),
    ...this.#rules.aliases,
  ];

  /** See `OriginLabel`. */
  readonly shown = (text: string): string => this.#label.shown(text);
}
