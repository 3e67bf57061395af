/**
 * Where a registry's API is, and under which path its repositories are there. `https://harbor.example/dockerhub-proxy` names
 * repositories of `https://harbor.example`: `library/alpine` is `/v2/dockerhub-proxy/library/alpine` there. A URL that says where its
 * `/v2` is means that: under `https://nexus.example/repository/docker/v2` it is `/repository/docker/v2/library/alpine`.
 */
export class RegistryPlace {
  /** Scheme, host and port. */
  readonly server: URL;
  /** As it is written: without a slash at its end. */
  readonly href: string;
  readonly #base: string;
  /** Empty, or with a slash at its end. */
  readonly #prefix: string;

  /** @param url as `parseRegistryUrl` gives it */
  constructor(url: URL) {
    const written = url.pathname.replace(/\/+$/, '');
    const path = written === '/v2' ? '' : written;
    const [, before, , after = ''] = /^(.*?)(\/v2)(?:\/(.*))?$/.exec(path) ?? [];
    this.server = new URL(url.origin);
    this.href = `${url.origin}${path}`;
    this.#base = before === undefined ? '/v2' : `${before}/v2`;
    this.#prefix = prefixed(before === undefined ? path.slice(1) : after);
  }

  /** What every repository's name begins with there: empty, or with a slash at its end. */
  get prefix(): string {
    return this.#prefix;
  }

  /** @param path as of a registry without any: `/v2/`, `/v2/_catalog?n=5`, `/v2/team/app/tags/list` */
  target(path: string): URL {
    const rest = path.slice('/v2/'.length);
    const isOfRepository = rest !== '' && !rest.startsWith('_');
    return new URL(`${this.#base}/${isOfRepository ? this.#prefix : ''}${rest}`, this.server);
  }

  /** The name that a repository has there. */
  repository(name: string): string {
    return `${this.#prefix}${name}`;
  }
}

function prefixed(path: string): string {
  return path === '' ? '' : `${path}/`;
}
