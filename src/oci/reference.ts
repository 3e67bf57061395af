import { isIPv6 } from 'node:net';
import { LayerswarmError } from '../errors.ts';
import { Digest } from './digest.ts';
import { isRepositoryName, isTag, quote } from './name.ts';

const DOCKER_HUB = 'docker.io';
const DEFAULT_TAG = 'latest';
const HOST_LABELS = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/;
const MAX_HOST_LENGTH = 253;
// host and port, repository, tag and digest at their longest
const MAX_REFERENCE_LENGTH = MAX_HOST_LENGTH + 6 + 1 + 255 + 1 + 128 + 1 + 7 + 128;

/**
 * The name of an image as people write it, `[registry/]repository[:tag][@digest]`, in the canonical form of Docker's
 * distribution/reference: `alpine` is `docker.io/library/alpine`.
 */
export class Reference {
  /** Host and optional port, lower case. */
  readonly registry: string;
  /** As in `/v2/<repository>/`. */
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;

  private constructor(registry: string, repository: string, tag: string | undefined, digest: Digest | undefined) {
    this.registry = registry;
    this.repository = repository;
    this.tag = tag;
    this.digest = digest;
  }

  /**
   * @param options.defaultRegistry host that a name without one belongs to; `docker.io` when absent
   * @throws LayerswarmError `reference-invalid`
   */
  static parse(text: string, options: { defaultRegistry?: string } = {}): Reference {
    if (text.length > MAX_REFERENCE_LENGTH) throw invalid(text, 'it is too long');
    const at = text.indexOf('@');
    const digest = at === -1 ? undefined : Digest.tryParse(text.slice(at + 1));
    if (at !== -1 && digest === undefined) throw invalid(text, 'the part after "@" is no sha256 or sha512 digest');
    const named = at === -1 ? text : text.slice(0, at);

    const { host, rest } = splitHost(named);
    const colon = rest.indexOf(':');
    const tag = colon === -1 ? undefined : rest.slice(colon + 1);
    if (tag !== undefined && !isTag(tag)) throw invalid(text, 'the tag is malformed');
    const path = colon === -1 ? rest : rest.slice(0, colon);

    const registry = normalizeHost(host ?? options.defaultRegistry ?? DOCKER_HUB);
    if (registry === undefined) throw invalid(text, 'the registry host is malformed');
    // Only its capitals made it look like a host, and hosts have no case.
    if (host !== undefined && splitHost(`${registry}/`).host === undefined)
      throw invalid(text, 'repository names are lower case, and a registry without a dot needs its port');
    if (host === undefined && /^[0-9a-f]{64}$/.test(path)) throw invalid(text, 'a bare 64 digit name is an image id, not a reference');
    const repository = registry === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path;
    if (!isRepositoryName(repository))
      throw invalid(text, /[A-Z]/.test(path) ? 'repository names are lower case' : 'the repository name is malformed');
    return new Reference(registry, repository, tag, digest);
  }

  /** From parts that are known apart, as in a registry's routes. @throws LayerswarmError `reference-invalid` */
  static of(parts: { registry: string; repository: string; tag?: string | undefined; digest?: Digest | undefined }): Reference {
    const text = `${parts.registry}/${parts.repository}`;
    const registry = normalizeHost(parts.registry);
    if (registry === undefined) throw invalid(text, 'the registry host is malformed');
    if (!isRepositoryName(parts.repository)) throw invalid(text, 'the repository name is malformed');
    if (parts.tag !== undefined && !isTag(parts.tag)) throw invalid(`${text}:${parts.tag}`, 'the tag is malformed');
    return new Reference(registry, parts.repository, parts.tag, parts.digest);
  }

  /** `registry/repository`: the full name of the repository. */
  get name(): string {
    return `${this.registry}/${this.repository}`;
  }

  /** The shortest form that Docker shows: without `docker.io/` and, for a single component, `library/`. */
  get familiar(): string {
    return this.#withSuffix(this.#familiarName());
  }

  /** This reference, with `:latest` where neither tag nor digest is given. */
  withDefaultTag(): Reference {
    return this.tag === undefined && this.digest === undefined ? this.withTag(DEFAULT_TAG) : this;
  }

  /** @throws LayerswarmError `reference-invalid` */
  withTag(tag: string): Reference {
    if (!isTag(tag)) throw invalid(`${this.name}:${tag}`, 'the tag is malformed');
    return new Reference(this.registry, this.repository, tag, undefined);
  }

  /** The same repository, by digest alone. */
  withDigest(digest: Digest): Reference {
    return new Reference(this.registry, this.repository, undefined, digest);
  }

  /** The canonical form; `Reference.parse` gives an equal reference back. */
  toString(): string {
    return this.#withSuffix(this.name);
  }

  toJSON(): string {
    return this.toString();
  }

  #familiarName(): string {
    if (this.registry !== DOCKER_HUB) return this.name;
    const official = /^library\/([^/]+)$/.exec(this.repository)?.[1];
    if (official !== undefined) return official;
    // "localhost/x" without its host would be read as a repository of the registry localhost
    return splitHost(this.repository).host === undefined ? this.repository : this.name;
  }

  #withSuffix(name: string): string {
    return `${name}${this.tag === undefined ? '' : `:${this.tag}`}${this.digest === undefined ? '' : `@${this.digest.toString()}`}`;
  }
}

/** The first component is a host when nothing else could look like it: distribution/reference, splitDockerDomain. */
function splitHost(named: string): { host: string | undefined; rest: string } {
  const slash = named.indexOf('/');
  const first = slash === -1 ? '' : named.slice(0, slash);
  const isHost = first === 'localhost' || /[.:A-Z]/.test(first);
  return isHost ? { host: first, rest: named.slice(slash + 1) } : { host: undefined, rest: named };
}

/** Lower-case host with its port, undefined when malformed. `index.docker.io` is Docker Hub's old name. */
function normalizeHost(text: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const host = match[1]!;
  const port = match[2];
  const wellFormed = host.startsWith('[') ? isIPv6(host.slice(1, -1)) : host.length <= MAX_HOST_LENGTH && HOST_LABELS.test(host);
  if (!wellFormed) return undefined;
  if (port !== undefined && (Number(port) === 0 || Number(port) > 65535)) return undefined;
  const lower = text.toLowerCase();
  return lower === 'index.docker.io' ? DOCKER_HUB : lower;
}

function invalid(text: string, why: string): LayerswarmError {
  return new LayerswarmError(
    'reference-invalid',
    `expected a reference such as registry.example:5000/team/app:1.0, received ${quote(text)}: ${why}`,
  );
}
