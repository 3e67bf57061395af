import { checkRepositoryName, quote } from '../oci/name.ts';
import { Reference } from '../oci/reference.ts';
import { originUnknown } from './origin-unknown.ts';
import { OciError } from './http-error.ts';

/** A repository under both of its names. */
export interface Repository {
  /** At the origin, as in `/v2/<name>/`. */
  readonly name: string;
  /** `registry/name`, as the image store and references have it. */
  readonly full: string;
}

export interface NamespaceOptions {
  /** The registry part of the origin's images; undefined while no origin is known. */
  readonly registryName: () => string | undefined;
  /** Other registries that the origin stands for, such as `docker.io` where it mirrors Docker Hub. */
  readonly aliases: readonly string[];
}

/**
 * Decides which repository a request is about. `ns` (containerd's name of the registry that a mirror is asked in place of) comes
 * from the client: it only ever selects, and no request is made to a host that it names.
 */
export class Namespaces {
  readonly #registryName: () => string | undefined;
  readonly #aliases: readonly string[];

  constructor({ registryName, aliases }: NamespaceOptions) {
    this.#registryName = registryName;
    this.#aliases = aliases.map((alias) => alias.toLowerCase());
  }

  /** @throws LayerswarmError `name-invalid`, `origin-unknown`, `not-found` for a namespace that this node does not mirror */
  repository(name: string, query: URLSearchParams): Repository {
    checkRepositoryName(name);
    const registry = this.#registryName();
    if (registry === undefined) throw originUnknown();
    const namespace = query.get('ns')?.toLowerCase();
    if (namespace !== undefined && namespace !== registry && !this.#aliases.includes(namespace)) {
      throw new OciError(404, 'NAME_UNKNOWN', `this node mirrors ${[registry, ...this.#aliases].join(', ')}, not ${quote(namespace)}`);
    }
    return { name, full: Reference.of({ registry, repository: name }).name };
  }
}
