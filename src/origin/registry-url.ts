import { LayerswarmError } from '../errors.ts';
import { quote } from '../oci/name.ts';

// Docker Hub's name in references is not the host of its API
const DOCKER_HUB = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);
const DOCKER_HUB_API = 'https://registry-1.docker.io';

/** Components that a repository's name may begin with, and what comes before the `/v2` of a registry that is not at the root. */
const PATH = /^(?:\/[A-Za-z0-9._~-]+)*\/?$/;

/**
 * The URL of a registry: scheme, host, port, and the path under which it or its repositories are. TLS is left out only where it says http://.
 * @throws LayerswarmError `config-invalid`
 */
export function parseRegistryUrl(text: string): URL {
  const url = URL.parse(text);
  const plain =
    url !== null &&
    (url.protocol === 'https:' || url.protocol === 'http:') &&
    PATH.test(url.pathname) &&
    url.search === '' &&
    url.hash === '';
  if (url !== null && (url.username !== '' || url.password !== '')) {
    throw new LayerswarmError(
      'config-invalid',
      'the URL of a registry holds no user name or password; give them as originUsername and originPasswordFile',
    );
  }
  if (!plain) {
    throw new LayerswarmError(
      'config-invalid',
      `expected the URL of a registry such as https://registry.example:5000 or https://harbor.example/dockerhub-proxy, received ${quote(text)}`,
    );
  }
  return DOCKER_HUB.has(url.hostname) ? new URL(DOCKER_HUB_API) : url;
}

/** Names under which credential files may keep the login of this registry, most exact first. */
export function credentialKeys(registry: URL): string[] {
  if (registry.hostname === 'registry-1.docker.io')
    return ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io'];
  const defaultPort = registry.protocol === 'https:' ? '443' : '80';
  return registry.port === '' ? [registry.host, `${registry.host}:${defaultPort}`] : [registry.host];
}
