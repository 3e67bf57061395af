import { createHash } from 'node:crypto';
import { globToRegExp } from '../glob.ts';
import { isRepositoryName } from '../oci/name.ts';
import type { Platform } from '../oci/descriptor.ts';
import type { ConflictPolicy } from '../copy/plan-copy.ts';
import { LayerswarmError } from '../errors.ts';

/** A registry that images are carried to. */
export interface TargetConfig {
  readonly name: string;
  readonly url: string;
  readonly username?: string | undefined;
  readonly passwordFile?: string | undefined;
  /** PEM file. */
  readonly ca?: string | undefined;
  /** Bytes a second; 0 for no limit. */
  readonly bandwidth: number;
  /** Blobs sent at a time. */
  readonly connections: number;
}

/** Names with `*` for any part, also across "/". What is denied is denied, whatever allows it. */
export interface Globs {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** Which images go where, when, and under which name. */
export interface PolicyConfig {
  readonly name: string;
  /** Names of targets. */
  readonly targets: readonly string[];
  readonly repositories: Globs;
  readonly tags: Globs;
  /** Empty for all that an index has. */
  readonly platforms: readonly Platform[];
  /** Copies a tag as soon as this node sees that it is new or has moved. */
  readonly onEvent: boolean;
  /** A cron expression, or milliseconds between two runs. */
  readonly schedule?: string | number | undefined;
  readonly conflict: ConflictPolicy;
  /** Taken from the beginning of the repository's name, where it stands there; … */
  readonly stripPrefix: string;
  /** … then this is put before it. */
  readonly addPrefix: string;
  /** Signatures and other artifacts that refer to the image. */
  readonly attachments: boolean;
}

export interface ReplicationConfig {
  readonly targets: readonly TargetConfig[];
  readonly policies: readonly PolicyConfig[];
}

/** One way that images go: a policy and one of its targets. */
export interface Route {
  readonly policy: PolicyConfig;
  readonly target: TargetConfig;
  /** The same on every node whose configuration says the same: how members know that they could stand in for each other. */
  readonly fingerprint: string;
}

/** @throws `config-invalid` for a policy that names a target that is not there, and for names that are used twice */
export function routesOf({ targets, policies }: ReplicationConfig): Route[] {
  requireUnique(targets, 'replication.targets');
  requireUnique(policies, 'replication.policies');
  return policies.flatMap((policy) =>
    policy.targets.map((name): Route => {
      const target = targets.find((candidate) => candidate.name === name);
      if (target === undefined)
        throw new LayerswarmError(
          'config-invalid',
          `replication.policies: expected the policy ${policy.name} to name one of the targets ${targets.map((known) => known.name).join(', ')}, received ${name}`,
        );
      return { policy, target, fingerprint: fingerprintOf(policy, target) };
    }),
  );
}

export function matchesRepository({ repositories }: Pick<PolicyConfig, 'repositories'>, repository: string): boolean {
  return matches(repositories, repository);
}

/** Tags that are named after a digest follow the image that they refer to, and are not matched. */
export function matchesTag({ tags }: Pick<PolicyConfig, 'tags'>, tag: string): boolean {
  return !/^sha(?:256|512)-[0-9a-f]{64}(?:\.|$)/.test(tag) && matches(tags, tag);
}

/** What the repository is called at the target. @throws `name-invalid` */
export function targetRepository({ stripPrefix, addPrefix }: Pick<PolicyConfig, 'stripPrefix' | 'addPrefix'>, repository: string): string {
  const name = `${addPrefix}${repository.startsWith(stripPrefix) ? repository.slice(stripPrefix.length) : repository}`;
  if (!isRepositoryName(name))
    throw new LayerswarmError(
      'name-invalid',
      `the policy's prefixes make ${JSON.stringify(name.slice(0, 200))} of the repository ${repository}, which is no repository name`,
    );
  return name;
}

/** The repositories that a policy names as they are, without any glob. */
export function literalRepositories({ repositories }: Pick<PolicyConfig, 'repositories'>): string[] {
  return repositories.allow.filter((pattern) => !pattern.includes('*'));
}

function matches({ allow, deny }: Globs, name: string): boolean {
  return allow.some((pattern) => fits(pattern, name)) && !deny.some((pattern) => fits(pattern, name));
}

const compiled = new Map<string, RegExp>();

function fits(pattern: string, name: string): boolean {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    expression = globToRegExp(pattern);
    compiled.set(pattern, expression);
  }
  return expression.test(name);
}

/** Where it goes and what it means; not how it is logged in to, which may differ from node to node. */
function fingerprintOf(policy: PolicyConfig, { url }: TargetConfig): string {
  const { repositories, tags, platforms, conflict, stripPrefix, addPrefix, attachments } = policy;
  return createHash('sha256')
    .update(JSON.stringify([url, repositories, tags, platforms, conflict, stripPrefix, addPrefix, attachments]))
    .digest('hex')
    .slice(0, 32);
}

function requireUnique(named: readonly { readonly name: string }[], where: string): void {
  const names = named.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new LayerswarmError('config-invalid', `${where}: expected each name once, received ${twice} twice`);
}
