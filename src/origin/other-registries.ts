import type { Dispatcher } from 'undici';
import { BoundedMap } from '../bounded-map.ts';
import { isRepositoryName } from '../oci/name.ts';
import { type Access, Authenticator } from './auth.ts';
import type { Clock } from './clock.ts';
import type { CredentialsProvider } from './credentials.ts';
import type { Admits } from './guarded-lookup.ts';
import { Health } from './health.ts';

const MAX_REGISTRIES = 16;

export interface OtherRegistriesOptions {
  readonly dispatcher: Dispatcher;
  readonly admits: Admits;
  readonly credentialsFor: (registry: URL) => CredentialsProvider;
  readonly clock: Clock;
}

/** Registries that one redirects to: the challenges of each are its own, answered with the login for its own name. */
export class OtherRegistries {
  readonly #options: OtherRegistriesOptions;
  /** By scheme, host and port. */
  readonly #authenticators = new BoundedMap<string, Authenticator>(MAX_REGISTRIES);

  constructor(options: OtherRegistriesOptions) {
    this.#options = options;
  }

  /** The Authorization header to begin with; undefined where no challenge has been met. */
  async authorization(url: URL): Promise<string | undefined> {
    return this.#authenticators.get(url.origin)?.authorization(accessAt(url));
  }

  /** @throws as `Authenticator.answer` */
  async answer(challenge: string | readonly string[], url: URL, sent: string | undefined): Promise<string> {
    return this.#at(url).answer(challenge, accessAt(url), sent);
  }

  #at({ origin }: URL): Authenticator {
    const known = this.#authenticators.get(origin);
    if (known !== undefined) return known;
    const { dispatcher, admits, credentialsFor, clock } = this.#options;
    const registry = new URL(origin);
    const authenticator = new Authenticator({
      registry,
      dispatchers: { registry: dispatcher, storage: dispatcher },
      admits,
      credentials: credentialsFor(registry),
      health: new Health(registry.host, clock),
      clock,
    });
    this.#authenticators.set(origin, authenticator);
    return authenticator;
  }
}

/** The repository that the path of a registry's API names; undefined for any other path, such as a storage's. */
export function repositoryAt({ pathname }: URL): string | undefined {
  const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\/[^/]+$/.exec(pathname)?.[1];
  return repository !== undefined && isRepositoryName(repository) ? repository : undefined;
}

function accessAt(url: URL): Access {
  const repository = repositoryAt(url);
  return repository === undefined ? { scopes: [] } : { scopes: [`repository:${repository}:pull`], repository };
}
