import { LayerswarmError } from '../errors.ts';
import { quote } from '../oci/name.ts';

// Docker Hub's name in references is not the host of its API
const DOCKER_HUB = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);
const DOCKER_HUB_API = 'https://registry-1.docker.io';

/**
 * The base URL of a registry, of which only scheme, host and port count. TLS is left out only where it says http://.
 * @throws LayerswarmError `config-invalid`
 */
export function parseRegistryUrl(text: string): URL {
  const url = URL.parse(text);
  const plain = url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.pathname === '/' && url.search === '' && url.hash === '';
  if (url !== null && (url.username !== '' || url.password !== '')) {
    throw new LayerswarmError('config-invalid', 'the URL of a registry holds no user name or password; give them as originUsername and originPasswordFile');
  }
  if (!plain) {
    throw new LayerswarmError('config-invalid', `expected the URL of a registry such as https://registry.example:5000, without a path, received ${quote(text)}`);
  }
  return DOCKER_HUB.has(url.hostname) ? new URL(DOCKER_HUB_API) : url;
}

/** Names under which credential files may keep the login of this registry, most exact first. */
export function credentialKeys(registry: URL): string[] {
  if (registry.hostname === 'registry-1.docker.io') return ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io'];
  const defaultPort = registry.protocol === 'https:' ? '443' : '80';
  return registry.port === '' ? [registry.host, `${registry.host}:${defaultPort}`] : [registry.host];
}
