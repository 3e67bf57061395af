import test from 'ava';
import { randomBytes } from 'node:crypto';
import { Digest } from '../../../src/oci/digest.ts';
import { anonymous } from '../../../src/origin/credentials.ts';
import { repositoryPrefixOf } from '../../../src/origin/registry-name.ts';
import { RegistryOrigin } from '../../../src/origin/registry-origin.ts';
import { RegistryPlace } from '../../../src/origin/registry-place.ts';
import { parseRegistryUrl } from '../../../src/origin/registry-url.ts';
import { startDockerRegistry } from '../../support/docker-registry.ts';
import { serve } from '../../support/http-server.ts';
import { pushImage } from '../../support/registry-content.ts';
import { startRegistryUnderPath } from '../../support/registry-under-path.ts';
import { requireTool } from '../../support/require-tool.ts';
import { originConformance } from './conformance.ts';

const ROWS: readonly (readonly [url: string, href: string, base: string, tags: string, prefix: string])[] = [
  ['https://r.example:5000', 'https://r.example:5000', '/v2/', '/v2/app/tags/list', ''],
  ['https://r.example/', 'https://r.example', '/v2/', '/v2/app/tags/list', ''],
  ['https://r.example/v2/', 'https://r.example', '/v2/', '/v2/app/tags/list', ''],
  [
    'https://harbor.example/dockerhub-proxy',
    'https://harbor.example/dockerhub-proxy',
    '/v2/',
    '/v2/dockerhub-proxy/app/tags/list',
    'dockerhub-proxy/',
  ],
  [
    'https://gitlab.example/group/dependency_proxy/containers/',
    'https://gitlab.example/group/dependency_proxy/containers',
    '/v2/',
    '/v2/group/dependency_proxy/containers/app/tags/list',
    'group/dependency_proxy/containers/',
  ],
  ['https://harbor.example/v2/proxy', 'https://harbor.example/v2/proxy', '/v2/', '/v2/proxy/app/tags/list', 'proxy/'],
  [
    'https://nexus.example/repository/docker/v2',
    'https://nexus.example/repository/docker/v2',
    '/repository/docker/v2/',
    '/repository/docker/v2/app/tags/list',
    '',
  ],
  [
    'https://art.example/artifactory/api/docker/remote/v2/',
    'https://art.example/artifactory/api/docker/remote/v2',
    '/artifactory/api/docker/remote/v2/',
    '/artifactory/api/docker/remote/v2/app/tags/list',
    '',
  ],
];

for (const [url, href, base, tags, prefix] of ROWS) {
  test(`${url} has its API and its repositories where registries of that kind have them`, (t) => {
    const place = new RegistryPlace(parseRegistryUrl(url));
    t.is(place.href, href);
    t.is(place.target('/v2/').pathname, base);
    t.is(place.target('/v2/app/tags/list?n=5').pathname, tags);
    t.is(place.target('/v2/app/tags/list?n=5').search, '?n=5');
    t.is(place.target('/v2/_catalog').pathname, `${base}_catalog`);
    t.is(repositoryPrefixOf(href), prefix);
  });
}

for (const url of [
  'https://u:p@r.example/x',
  'https://r.example/x?y',
  'https://r.example/x#y',
  'https://r.example//x',
  'https://r.example/x y',
  'ftp://r.example',
]) {
  test(`${url} is no registry`, (t) => {
    t.throws(() => parseRegistryUrl(url), { code: 'config-invalid' });
  });
}

for (const [url, path] of [
  ['/proj', '/v2/proj/'],
  ['/repository/docker/v2', '/repository/docker/v2/'],
] as const) {
  originConformance(test, `RegistryOrigin under ${url}`, async (t) => {
    if (!requireTool(t, 'docker-registry')) return undefined;
    const registry = await startDockerRegistry(t);
    const server = await startRegistryUnderPath(t, registry.url, path);
    const origin = new RegistryOrigin({ url: `${server.url}${url}`, credentials: anonymous });
    t.teardown(() => origin.close());
    return { origin, target: registry };
  });
}

test('a registry whose /v2/ is 404 is well, and rights are asked for by the names there', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const registry = await startDockerRegistry(t);
  const { digest } = await pushImage(registry, 'app', 'v1', [randomBytes(10)]);
  const server = await startRegistryUnderPath(t, registry.url, '/v2/proj/');
  const origin = new RegistryOrigin({ url: `${server.url}/proj`, credentials: anonymous });
  t.teardown(() => origin.close());
  t.is((await origin.probe()).state, 'ok');
  t.true((await origin.resolveTag('app', 'v1')).equals(digest));

  const scopes: string[] = [];
  const guarded = await serve(t, (request, response) => {
    const asked = new URL(request.url ?? '', 'http://x');
    if (asked.pathname === '/token') {
      scopes.push(...asked.searchParams.getAll('scope'));
      response.end('{"token":"t"}');
    } else if (request.headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host ?? ''}/token"` }).end();
    } else response.writeHead(200, { 'docker-content-digest': Digest.of(Buffer.from('x')).toString() }).end();
  });
  const other = new RegistryOrigin({ url: `${guarded.url}/proj`, credentials: anonymous });
  t.teardown(() => other.close());
  await other.resolveTag('app', 'v1');
  t.deepEqual(scopes, ['repository:proj/app:pull']);
});
