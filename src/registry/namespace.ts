import { splitMirrorPath } from '../oci/mirror-path.ts';
import { checkRepositoryName, quote } from '../oci/name.ts';
import { Reference } from '../oci/reference.ts';
import { originUnknown } from './origin-unknown.ts';
import { OciError } from './http-error.ts';

/** A repository under both of its names. */
export interface Repository {
  /** At its registry, as in `/v2/<name>/`. */
  readonly name: string;
  /** `registry/name`, as the image store and references have it. */
  readonly full: string;
}

export interface NamespaceOptions {
  /** The registry part of the origin's images; undefined while no origin is known. */
  readonly registryName: () => string | undefined;
  /** What the origin's repositories begin with in references where it is under a path: empty, or with a slash at its end. */
  readonly repositoryPrefix?: () => string;
  /** Other registries that the origin stands for, such as `docker.io` where it mirrors Docker Hub. Lower case. */
  readonly aliases: () => readonly string[];
  /** Registries that this node mirrors beside the origin, each from an upstream of its own. Lower case. */
  readonly mirrors?: () => readonly string[];
  /** A registry's name as people know it. */
  readonly shown?: (text: string) => string;
}

/**
 * Decides which repository a request is about. `ns` (containerd's name of the registry that a mirror is asked in place of) comes
 * from the client: it only ever selects, and no request is made to a host that it names.
 */
export class Namespaces {
  readonly #registryName: () => string | undefined;
  readonly #repositoryPrefix: () => string;
  readonly #aliases: () => readonly string[];
  readonly #mirrors: () => readonly string[];
  readonly #shown: (text: string) => string;

  constructor({ registryName, repositoryPrefix = () => '', aliases, mirrors = () => [], shown = (text) => text }: NamespaceOptions) {
    this.#shown = shown;
    this.#repositoryPrefix = repositoryPrefix;
    this.#registryName = registryName;
    this.#aliases = aliases;
    this.#mirrors = mirrors;
  }

  /**
   * What is pulled: by `ns`, else by a first component that means a mirror (podman, skopeo and dockerd send no `ns`), else from the
   * origin. @throws LayerswarmError `name-invalid`, `origin-unknown`, `not-found` for a namespace that this node does not mirror
   */
  repository(name: string, query: URLSearchParams): Repository {
    checkRepositoryName(name);
    const namespace = query.get('ns')?.toLowerCase();
    if (namespace === undefined) {
      const mirrored = splitMirrorPath(name, this.#mirrors());
      return mirrored === undefined ? this.#own(name) : fullName(mirrored.registry, mirrored.repository);
    }
    if (namespace !== this.#registryName() && this.#mirrors().includes(namespace)) return fullName(namespace, name);
    this.#requireOwn(namespace);
    return this.#own(name);
  }

  /** What is pushed, which is the origin's alone. @throws as `repository` */
  pushed(name: string, query: URLSearchParams): Repository {
    checkRepositoryName(name);
    const namespace = query.get('ns')?.toLowerCase();
    if (namespace !== undefined) this.#requireOwn(namespace);
    return this.#own(name);
  }

  #own(name: string): Repository {
    const registry = this.#registryName();
    if (registry !== undefined) return fullName(registry, withoutPrefix(name, this.#repositoryPrefix()));
    throw originUnknown();
  }

  #requireOwn(namespace: string): void {
    const registry = this.#registryName();
    if (namespace === registry || this.#aliases().includes(namespace)) return;
    const served = new Set([...(registry === undefined ? [] : [this.#shown(registry)]), ...this.#aliases(), ...this.#mirrors()]);
    throw new OciError(404, 'NAME_UNKNOWN', `this node mirrors ${[...served].join(', ')}, not ${quote(namespace)}`);
  }
}

/** A name as references to the origin have it, or as those to a registry that it stands for. */
export function withoutPrefix(name: string, prefix: string): string {
  return name.length > prefix.length && name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

function fullName(registry: string, name: string): Repository {
  return { name, full: Reference.of({ registry, repository: name }).name };
}
