import { normalizeOriginUrl } from '../../swarm/origin-directory.ts';
import type { AgentConfig, UpstreamConfig } from '../config/config.ts';
import { type CharterRules, NO_RULES } from './charter-rules.ts';

/** A mirrored registry whose certificates may come from the charter. */
export interface RuledUpstream extends UpstreamConfig {
  /** PEM certificates of the charter; `ca` is a file of this host. */
  readonly caText: string | undefined;
}

export type RulesConfig = Pick<AgentConfig, 'origin' | 'mirrors' | 'upstreams' | 'exclude' | 'tags'>;

/** What this node reads from and how: its configuration, and over it the charter that it follows. */
export class SwarmRules {
  readonly #config: RulesConfig;
  #charter = NO_RULES;

  constructor(config: RulesConfig) {
    this.#config = config;
  }

  follow(charter: CharterRules): void {
    this.#charter = charter;
  }

  get charter(): CharterRules {
    return this.#charter;
  }

  /** Registries that the origin answers for. */
  get aliases(): readonly string[] {
    const { mirrors } = this.#charter;
    return mirrors === undefined ? this.#config.mirrors : mirrors.flatMap(({ name, url }) => (url === undefined ? [name] : []));
  }

  /** Registries that are read from an upstream of their own. This host's login goes only where its own configuration has it. */
  get upstreams(): readonly RuledUpstream[] {
    const { upstreams } = this.#config;
    const { mirrors } = this.#charter;
    if (mirrors === undefined) return upstreams.map((upstream) => ({ ...upstream, caText: undefined }));
    return mirrors.flatMap(({ name, url, ca }): RuledUpstream[] => {
      if (url === undefined) return [];
      const own = upstreams.find((upstream) => upstream.name === name && upstream.url === url);
      return [{ name, url, login: own?.login, ca: own?.ca, caText: ca }];
    });
  }

  /** Both the operator's and this host's. */
  get exclude(): readonly string[] {
    return [...new Set([...this.#config.exclude, ...this.#charter.exclude])];
  }

  /** In ms. */
  get tags(): AgentConfig['tags'] {
    const { tags } = this.#config;
    const { ttl = tags.ttl, staleFor = tags.staleFor, witnesses = tags.witnesses } = this.#charter.tags;
    return { ttl, staleFor, witnesses };
  }

  /** Whether the URL is the origin of this host's own configuration, whose login is for it. */
  isConfiguredOrigin(url: string): boolean {
    return normalizeOriginUrl(this.#config.origin) === url;
  }

  /** Whether the URL is the charter's origin. */
  isCharterOrigin(url: string): boolean {
    return this.#charter.origin !== undefined && normalizeOriginUrl(this.#charter.origin) === url;
  }
}
