import { registryCalled } from './origin-name.ts';
import { RegistryPlace } from './registry-place.ts';

/**
 * The registry part under which an origin's images are known here (`Reference.registry`): its host and port, lower case.
 * Docker Hub answers under other hosts than it is called by; what an embedded origin holds is kept under its peer id, since two of
 * them hold different images whatever they are called.
 */
export function registryNameOf(originUrl: string): string {
  const embedded = /^embedded:([a-zA-Z0-9]{1,63})$/.exec(originUrl);
  if (embedded !== null) return registryCalled(embedded[1]!.toLowerCase());
  const { host } = new URL(originUrl);
  return DOCKER_HUB_HOSTS.has(host) ? 'docker.io' : host;
}

/** What the repositories of an origin begin with where it is under a path, as references to it may have it: empty, or with a slash at its end. */
export function repositoryPrefixOf(originUrl: string): string {
  return originUrl.startsWith('embedded:') ? '' : new RegistryPlace(new URL(originUrl)).prefix;
}

const DOCKER_HUB_HOSTS: ReadonlySet<string> = new Set(['registry-1.docker.io', 'index.docker.io', 'docker.io', 'registry.hub.docker.com']);
