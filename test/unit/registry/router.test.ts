import test from 'ava';
import { matchRoute, REGISTRY_PATHS, type Route } from '../../../src/registry/http/router.ts';

const route = (name: string, method: Route['method'], path: RegExp): Route => ({
  name,
  method,
  path,
  unknown: 'NAME_UNKNOWN',
  handle: () => ({ status: 200, headers: {} }),
});
const ROUTES: readonly Route[] = [
  route('base', 'GET', REGISTRY_PATHS.base),
  route('manifest', 'GET', REGISTRY_PATHS.manifest),
  route('put', 'PUT', REGISTRY_PATHS.manifest),
  route('blob', 'GET', REGISTRY_PATHS.blob),
  route('start', 'POST', REGISTRY_PATHS.uploads),
  route('append', 'PATCH', REGISTRY_PATHS.upload),
  route('tags', 'GET', REGISTRY_PATHS.tags),
  route('referrers', 'GET', REGISTRY_PATHS.referrers),
];

const ROWS: readonly (readonly [
  request: string,
  expected: string | ({ name: string } & Record<string, string>) | { allow: string[] } | undefined,
])[] = [
  ['GET /v2/', 'base'],
  ['HEAD /v2', 'base'],
  ['GET /v1/', undefined],
  ['GET /', undefined],
  ['GET /v2/a/b/manifests/v1', { name: 'manifest', repository: 'a/b', reference: 'v1' }],
  ['HEAD /v2/a/manifests/sha256:00', { name: 'manifest', repository: 'a', reference: 'sha256:00' }],
  ['PUT /v2/a/manifests/v1', { name: 'put', repository: 'a', reference: 'v1' }],
  ['DELETE /v2/a/manifests/v1', { allow: ['GET', 'HEAD', 'PUT'] }],
  ['GET /v2/a/manifests/b/manifests/c', { name: 'manifest', repository: 'a/manifests/b', reference: 'c' }],
  ['GET /v2/manifests/v1', undefined],
  ['GET /v2/a/blobs/sha256:00', { name: 'blob', repository: 'a', digest: 'sha256:00' }],
  ['POST /v2/a/blobs/uploads/', { name: 'start', repository: 'a' }],
  ['POST /v2/a/blobs/uploads', { name: 'start', repository: 'a' }],
  ['PATCH /v2/a/blobs/uploads/1-2', { name: 'append', repository: 'a', session: '1-2' }],
  ['GET /v2/a/blobs/uploads/1-2', { allow: ['PATCH'] }],
  ['GET /v2/a/tags/list', { name: 'tags', repository: 'a' }],
  ['GET /v2/a/referrers/sha256:00', { name: 'referrers', repository: 'a', digest: 'sha256:00' }],
];

for (const [request, expected] of ROWS) {
  test(`${request} goes to ${JSON.stringify(expected) ?? 'nothing'}`, (t) => {
    const [method, path] = request.split(' ');
    const match = matchRoute(ROUTES, method!, path!);
    if (expected === undefined) {
      t.is(match.kind, 'unknown-path');
    } else if (typeof expected === 'string') {
      t.is(match.kind === 'route' && match.route.name, expected);
    } else if ('allow' in expected) {
      t.deepEqual(match, { kind: 'wrong-method', allow: expected.allow as unknown as string[] });
    } else if (match.kind === 'route') {
      const { name, repository, ...others } = expected;
      t.is(match.route.name, name);
      t.deepEqual(match.parameters, { name: repository!, ...others });
    } else {
      t.fail(match.kind);
    }
  });
}
