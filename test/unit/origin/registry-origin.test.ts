import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { LayerswarmError } from '../../../src/errors.ts';
import { Digest } from '../../../src/oci/digest.ts';
import { MANIFEST_ACCEPT, MediaType } from '../../../src/oci/media-type.ts';
import { anonymous } from '../../../src/origin/credentials.ts';
import type { RegistryOptions } from '../../../src/origin/registry-options.ts';
import { RegistryOrigin } from '../../../src/origin/registry-origin.ts';
import { type DockerRegistry, startDockerRegistry } from '../../support/docker-registry.ts';
import { type FaultProxy, type SeenRequest, startFaultProxy } from '../../support/fault-proxy.ts';
import { serve } from '../../support/http-server.ts';
import { pushBlob, pushImage } from '../../support/registry-content.ts';
import { requireTool } from '../../support/require-tool.ts';
import { TestClock } from '../../support/test-clock.ts';
import { collect, originConformance } from './conformance.ts';

function makeOrigin(t: ExecutionContext, url: string, options: Partial<RegistryOptions> = {}): RegistryOrigin {
  const origin = new RegistryOrigin({ url, credentials: anonymous, ...options });
  t.teardown(() => origin.close());
  return origin;
}

originConformance(test, 'RegistryOrigin', async (t) => {
  if (!requireTool(t, 'docker-registry')) return undefined;
  const registry = await startDockerRegistry(t);
  return { origin: makeOrigin(t, registry.url), target: registry };
});

const layer = randomBytes(400_000);
const isBlob = ({ url, method }: SeenRequest): boolean => method === 'GET' && url.includes('/blobs/');
const isManifest = ({ url }: SeenRequest): boolean => url.includes('/manifests/');

interface Setup {
  readonly registry: DockerRegistry;
  readonly proxy: FaultProxy;
  readonly origin: RegistryOrigin;
  readonly clock: TestClock;
  readonly image: { readonly digest: Digest; readonly manifest: Buffer };
  readonly blob: Digest;
  readonly read: (start?: number, end?: number, signal?: AbortSignal) => Promise<Buffer>;
}

/** A registry with one image behind a fault proxy, and an origin that talks to the proxy. */
async function setUp(t: ExecutionContext, options: Partial<RegistryOptions> = {}): Promise<Setup | undefined> {
  if (!requireTool(t, 'docker-registry')) return undefined;
  const registry = await startDockerRegistry(t);
  const proxy = await startFaultProxy(t, registry.url);
  const image = await pushImage(registry, 'team/app', 'v1', [layer]);
  const clock = new TestClock();
  const origin = makeOrigin(t, proxy.url, { clock, ...options });
  const blob = image.layers[0]!.digest;
  return {
    registry,
    proxy,
    origin,
    clock,
    image,
    blob,
    read: (start = 0, end = layer.length, signal) => collect(origin.readBlob('team/app', blob, { start, end }, signal)),
  };
}

test('manifests are asked for in every type, and nothing in an encoding', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, image, read } = setup;
  await origin.resolveTag('team/app', 'v1');
  await origin.manifest('team/app', image.digest);
  await read();
  t.deepEqual(
    proxy.requests.map(({ headers }) => headers['accept-encoding']),
    ['identity', 'identity', 'identity'],
  );
  t.deepEqual(
    proxy.requests.filter(isManifest).map(({ headers }) => headers.accept),
    [MANIFEST_ACCEPT, MANIFEST_ACCEPT],
  );
});

test('a HEAD without Docker-Content-Digest is followed by a GET whose bytes are hashed', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, image } = setup;
  for (const digest of [undefined, 'sha256:12', 'md5:00']) {
    proxy.inject({ kind: 'headers', set: { 'docker-content-digest': digest } }, { match: ({ method }) => method === 'HEAD', times: 1 });
    t.is((await origin.resolveTag('team/app', 'v1')).toString(), image.digest.toString());
  }
  proxy.inject({ kind: 'status', status: 405 }, { match: ({ method }) => method === 'HEAD', times: 1 });
  t.is((await origin.resolveTag('team/app', 'v1')).toString(), image.digest.toString(), 'a registry without HEAD');
});

test('schema 1 is never accepted, neither by HEAD nor by its bytes', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin } = setup;
  const body = Buffer.from(JSON.stringify({ schemaVersion: 1, name: 'team/app', tag: 'v1', fsLayers: [], history: [], signatures: [] }));
  const headers = {
    'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws',
    'docker-content-digest': Digest.of(body).toString(),
  };
  proxy.inject({ kind: 'status', status: 200, body, headers }, { match: isManifest });
  await t.throwsAsync(origin.resolveTag('team/app', 'v1'), { code: 'manifest-invalid', message: /schema 1/ });
  await t.throwsAsync(origin.manifest('team/app', Digest.of(body)), { code: 'manifest-invalid', message: /schema 1/ });
});

test('a manifest with other bytes than its digest says is refused', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, image } = setup;
  proxy.inject({ kind: 'corrupt', at: 10 }, { match: isManifest, times: 1 });
  await t.throwsAsync(origin.manifest('team/app', image.digest), { code: 'digest-mismatch' });
  proxy.inject({ kind: 'short', bytes: 50 }, { match: isManifest, times: 1 });
  await t.throwsAsync(origin.manifest('team/app', image.digest), { code: 'digest-mismatch' });
  proxy.inject({ kind: 'status', status: 200, body: Buffer.alloc(5_000_000) }, { match: isManifest, times: 1 });
  await t.throwsAsync(origin.manifest('team/app', image.digest), { code: 'too-large' });
  t.deepEqual((await origin.manifest('team/app', image.digest)).bytes, image.manifest);
});

test('a manifest of a static file server, which knows no manifest types, is read by what it says itself', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, image } = setup;
  proxy.inject({ kind: 'headers', set: { 'content-type': 'text/plain; charset=utf-8' } });
  t.is((await origin.manifest('team/app', image.digest)).mediaType, MediaType.ociManifest);
});

test('a body that is cut is resumed where it ended, with one Range request a cut', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, read } = setup;
  proxy.inject({ kind: 'cut', after: 100_000 }, { match: isBlob, times: 2 });
  t.true((await read(1_000)).equals(layer.subarray(1_000)));
  t.deepEqual(
    proxy.requests.filter(isBlob).map(({ headers }) => headers.range),
    ['bytes=1000-399999', 'bytes=101000-399999', 'bytes=201000-399999'],
  );
  t.is(origin.health.bytes, layer.length - 1_000);
});

test('a body that is cut again and again without a byte fails', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, read } = setup;
  proxy.inject({ kind: 'cut', after: 0 }, { match: isBlob });
  await t.throwsAsync(read(), { code: 'origin-unreachable' });
  t.true(proxy.requests.filter(isBlob).length <= 4);
});

test('a body that stalls is given up and resumed; one that always does is a timeout', async (t) => {
  const setup = await setUp(t, { timeouts: { stallMs: 300 } });
  if (setup === undefined) return;
  const { proxy, read } = setup;
  proxy.inject({ kind: 'stall', after: 150_000 }, { match: isBlob, times: 1 });
  t.true((await read()).equals(layer));
  proxy.inject({ kind: 'stall', after: 0 }, { match: isBlob });
  await t.throwsAsync(read(), { code: 'timeout' });
});

test('a 206 with less than was asked for is taken, and the rest is asked for', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, read } = setup;
  proxy.inject(
    { kind: 'status', status: 206, body: layer.subarray(10, 15), headers: { 'content-range': 'bytes 10-14/400000' } },
    { match: isBlob, times: 1 },
  );
  t.true((await read(10, 20)).equals(layer.subarray(10, 20)));
  t.is(proxy.requests.filter(isBlob).length, 2);
});

test('an encoded body is refused', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, read } = setup;
  proxy.inject({ kind: 'headers', set: { 'content-encoding': 'gzip' } }, { match: isBlob });
  await t.throwsAsync(read(), { code: 'unsupported' });
});

test('429 waits as long as Retry-After says, where that is not too long', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, clock, image } = setup;
  proxy.inject({ kind: 'status', status: 429, headers: { 'retry-after': '7' } }, { times: 1 });
  t.true((await origin.resolveTag('team/app', 'v1')).equals(image.digest));
  t.deepEqual(clock.slept, [7_000]);
  proxy.inject({ kind: 'status', status: 429, headers: { 'retry-after': '3600' } });
  const error = await t.throwsAsync<LayerswarmError>(origin.resolveTag('team/app', 'v1'), { code: 'origin-rate-limited' });
  t.is(error?.detail?.['retryAfterMs'], 3_600_000);
  t.is(clock.slept.length, 1, 'nobody waits an hour');
  t.is(origin.health.state, 'ok');
});

test('5xx and ended connections are tried again, 4xx is not', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, image } = setup;
  for (const fault of [{ kind: 'status', status: 500 }, { kind: 'status', status: 503 }, { kind: 'reset' }] as const) {
    proxy.inject(fault, { times: 2 });
    t.true((await origin.resolveTag('team/app', 'v1')).equals(image.digest));
  }
  const before = proxy.requests.length;
  proxy.inject({ kind: 'status', status: 403, body: '{"errors":[{"code":"DENIED","message":"not for you"}]}' }, { times: 1 });
  const error = await t.throwsAsync(origin.manifest('team/app', image.digest), { code: 'origin-denied' });
  t.regex(error?.message ?? '', /403.*DENIED: not for you/);
  t.is(proxy.requests.length, before + 1);
  t.is(origin.health.state, 'ok');
});

test('an origin that is down is unreachable, then fails at once, and is found again when it is back', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { registry, proxy, clock, image } = setup;
  const origin = makeOrigin(t, registry.url, { clock });
  t.is(origin.health.state, 'unknown');
  await origin.resolveTag('team/app', 'v1');
  t.is(origin.health.state, 'ok');
  await registry.stop();
  await t.throwsAsync(origin.resolveTag('team/app', 'v1'), {
    code: 'origin-unreachable',
    message: /connection refused|ended the connection|is down/,
  });
  t.is(origin.health.state, 'unreachable');
  const pauses = clock.slept.length;
  await t.throwsAsync(origin.manifest('team/app', image.digest), {
    code: 'origin-unreachable',
    message: /is down.*tried again within 1 s/,
  });
  t.is(clock.slept.length, pauses, 'it fails without a try or a pause');
  t.is((await origin.probe()).state, 'unreachable');

  const again = await startDockerRegistry(t, { folder: registry.folder, port: registry.port });
  t.is(again.url, registry.url);
  clock.advance(60_000);
  t.true((await origin.resolveTag('team/app', 'v1')).equals(image.digest));
  t.is(origin.health.state, 'ok');
  t.is(proxy.requests.length, 0);
});

test('a probe that is not answered in time shows, and so does a server that is no registry', async (t) => {
  const silent = createServer(() => undefined);
  t.teardown(() => {
    silent.closeAllConnections();
    silent.close();
  });
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const hanging = makeOrigin(t, `http://127.0.0.1:${(silent.address() as AddressInfo).port}`, {});
  await hanging.probe();
  t.like(hanging.health, { state: 'unreachable', reachedAt: undefined });
  t.is(hanging.health.answers!.get('timeout'), 1);

  const other = createServer((_request, response) => {
    response.writeHead(404).end();
  });
  t.teardown(() => {
    other.closeAllConnections();
    other.close();
  });
  await once(other.listen(0, '127.0.0.1'), 'listening');
  const noRegistry = makeOrigin(t, `http://127.0.0.1:${(other.address() as AddressInfo).port}`, {});
  t.regex((await noRegistry.probe()).reason ?? '', /answers 404 to \/v2\/.*no registry/);
  t.is(noRegistry.health.reachedAt, undefined);
  // A Date header has whole seconds, and a busy machine answers late.
  t.true(Math.abs(noRegistry.health.clockAheadMs!) < 30_000);
});

test('an origin that hangs is a timeout, and a caller’s signal ends the wait at once', async (t) => {
  const setup = await setUp(t, { timeouts: { headersMs: 200 }, retry: { attempts: 2 } });
  if (setup === undefined) return;
  const { proxy, origin } = setup;
  const remove = proxy.inject({ kind: 'hang' });
  await t.throwsAsync(origin.resolveTag('team/app', 'v1'), { code: 'timeout' });
  remove();
  const patient = makeOrigin(t, proxy.url, {});
  proxy.inject({ kind: 'hang' });
  await t.throwsAsync(patient.resolveTag('team/app', 'v1', AbortSignal.timeout(100)), { code: 'timeout' });
});

test('closing ends requests that are under way', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin } = setup;
  proxy.inject({ kind: 'hang' });
  const pending = t.throwsAsync(origin.resolveTag('team/app', 'v1'), { code: 'aborted' });
  while (proxy.requests.length === 0) await new Promise(setImmediate);
  await origin.close();
  await pending;
});

test('no more blob bodies are read at a time than the budget allows, and a tag does not wait behind them', async (t) => {
  const setup = await setUp(t, { maxConnections: 2 });
  if (setup === undefined) return;
  const { proxy, origin, blob, image } = setup;
  const remove = proxy.inject({ kind: 'stall', after: 10 }, { match: isBlob });
  const controller = new AbortController();
  const reads = Array.from({ length: 5 }, async () => {
    await t.throwsAsync(collect(origin.readBlob('team/app', blob, { start: 0, end: 100_000 }, controller.signal)), { code: 'aborted' });
  });
  while (proxy.requests.filter(({ bodyBytes }) => bodyBytes >= 10).length < 2) await new Promise(setImmediate);
  t.true((await origin.resolveTag('team/app', 'v1')).equals(image.digest));
  t.is(proxy.requests.filter(isBlob).length, 2);
  controller.abort();
  await Promise.all(reads);
  remove();
  t.true((await setup.read()).equals(layer), 'the permits came back');
});

test('a byte rate spaces the bytes of blobs', async (t) => {
  const setup = await setUp(t, { bytesPerSecond: 100_000 });
  if (setup === undefined) return;
  await setup.read();
  const waited = setup.clock.slept.reduce((sum, pause) => sum + pause, 0);
  t.true(Math.abs(waited - 3_750) < 100, `400 kB at 100 kB/s after a burst of 25 kB: ${waited} ms`);
});

test('tags of all pages are followed, sorted and checked; a page elsewhere is refused', async (t) => {
  const pages: Record<string, [string, string?]> = {
    '/v2/app/tags/list?n=1000': ['["c","b"]', '</v2/app/tags/list?n=2&last=b>; rel="next"'],
    '/v2/app/tags/list?n=2&last=b': ['["a","b","not a tag"]', '<?last=z>; foo=bar; rel=next'],
    '/v2/app/tags/list?last=z': ['null'],
    '/v2/elsewhere/tags/list?n=1000': ['[]', '<http://elsewhere.invalid/v2/x>; rel="next"'],
    '/v2/endless/tags/list?n=1000': ['[]', '</v2/endless/tags/list?n=1000>; rel="next"'],
    '/v2/html/tags/list?n=1000': ['<html>'],
  };
  const server = await serve(t, (request, response) => {
    const [tags, link] = pages[request.url ?? ''] ?? ['[]'];
    response.writeHead(200, link === undefined ? {} : { link }).end(`{"name":"app","tags":${tags}}`);
  });
  const origin = makeOrigin(t, server.url);
  t.deepEqual(await origin.tags('app'), ['a', 'b', 'c']);
  await t.throwsAsync(origin.tags('elsewhere'), { code: 'origin-denied' });
  await t.throwsAsync(origin.tags('endless'), { code: 'too-large' });
  await t.throwsAsync(origin.tags('html'), { code: 'unsupported' });
});

test('referrers: filtered here where the registry does not, and undefined where there is no such API', async (t) => {
  const descriptor = (artifactType: string): object => ({
    mediaType: MediaType.ociManifest,
    digest: Digest.of(Buffer.from(artifactType)),
    size: 1,
    artifactType,
  });
  const index = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [descriptor('a/a'), descriptor('b/b')] });
  const server = await serve(t, (request, response) => {
    if (request.url?.includes('/html/') === true) response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
    else if (request.url?.includes('/broken/') === true) response.writeHead(200, { 'content-type': MediaType.ociIndex }).end('{}');
    else if (request.url?.includes('/old/') === true) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': MediaType.ociIndex }).end(index);
  });
  const origin = makeOrigin(t, server.url);
  const subject = Digest.of(Buffer.from('subject'));
  t.is((await origin.referrers('app', subject))?.toString(), index, 'the origin’s own bytes');
  const filtered = JSON.parse((await origin.referrers('app', subject, 'a/a'))?.toString() ?? '{}') as {
    manifests: { artifactType: string }[];
  };
  t.deepEqual(
    filtered.manifests.map(({ artifactType }) => artifactType),
    ['a/a'],
  );
  for (const repository of ['html', 'broken', 'old']) t.is(await origin.referrers(repository, subject), undefined, repository);
});

test('the size of a blob whose storage refuses HEAD, or does not say it, comes from one byte', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { registry, proxy, origin, blob } = setup;
  proxy.inject({ kind: 'status', status: 403 }, { match: ({ method }) => method === 'HEAD', times: 1 });
  t.is(await origin.blobSize('team/app', blob), layer.length);
  const empty = await pushBlob(registry, 'team/app', Buffer.alloc(0));
  proxy.inject({ kind: 'status', status: 405 }, { match: ({ method }) => method === 'HEAD', times: 1 });
  t.is(await origin.blobSize('team/app', empty), 0);
});

test('a URL with a query, another scheme or a password is refused without showing the password', (t) => {
  for (const url of [
    'registry.example',
    'https://registry.example/?path',
    'ftp://registry.example',
    'https://user:geheim@registry.example',
  ]) {
    const error = t.throws(() => new RegistryOrigin({ url }), { instanceOf: LayerswarmError });
    t.is(error?.code, 'config-invalid');
    t.notRegex(error?.message ?? '', /geheim/);
  }
  t.is(makeOrigin(t, 'https://docker.io').url, 'https://registry-1.docker.io');
  t.is(makeOrigin(t, 'https://Registry.Example:443/').url, 'https://registry.example');
});
