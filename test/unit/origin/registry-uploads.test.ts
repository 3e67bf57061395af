import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { Digest } from '../../../src/oci/digest.ts';
import { rawManifest } from '../../../src/oci/manifest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { anonymous, staticCredentials } from '../../../src/origin/credentials.ts';
import type { RegistryOptions } from '../../../src/origin/registry-options.ts';
import { RegistryOrigin } from '../../../src/origin/registry-origin.ts';
import { REGISTRY_USER, startDockerRegistry } from '../../support/docker-registry.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import { serve } from '../../support/http-server.ts';
import { requireTool } from '../../support/require-tool.ts';
import { TestClock } from '../../support/test-clock.ts';
import { startTokenServer } from '../../support/token-server.ts';
import { collect } from './conformance.ts';

const bytes = randomBytes(1_500_000);
const descriptor = { digest: Digest.of(bytes), size: bytes.length };

async function* chunks(content: Buffer = bytes, length = 100_000): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < content.length; at += length) yield content.subarray(at, at + length);
}

function makeOrigin(t: ExecutionContext, url: string, options: Partial<RegistryOptions> = {}): RegistryOrigin {
  const origin = new RegistryOrigin({ url, credentials: anonymous, clock: new TestClock(), ...options });
  t.teardown(() => origin.close());
  return origin;
}

async function setUp(t: ExecutionContext): Promise<{ proxy: FaultProxy; origin: RegistryOrigin } | undefined> {
  if (!requireTool(t, 'docker-registry')) return undefined;
  const registry = await startDockerRegistry(t);
  const proxy = await startFaultProxy(t, registry.url);
  return { proxy, origin: makeOrigin(t, proxy.url) };
}

const isPut = ({ method }: { method: string }): boolean => method === 'PUT';

test('a blob that was uploaded is there with its bytes', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { writer } = setup.origin;
  t.false(await writer.blobExists('app', descriptor.digest));
  await writer.uploadBlob('app', descriptor, () => chunks());
  t.true(await writer.blobExists('app', descriptor.digest));
  t.true((await collect(setup.origin.readBlob('app', descriptor.digest, { start: 0, end: bytes.length }))).equals(bytes));
  const empty = { digest: Digest.of(Buffer.alloc(0)), size: 0 };
  await writer.uploadBlob('app', empty, () => chunks(Buffer.alloc(0)));
  t.true(await writer.blobExists('app', empty.digest));
});

test('an upload that breaks off is begun again with a new source', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin } = setup;
  let opened = 0;
  proxy.inject({ kind: 'status', status: 503 }, { match: isPut, times: 1 });
  proxy.inject({ kind: 'reset' }, { match: ({ method }) => method === 'POST', times: 1 });
  await origin.writer.uploadBlob('app', descriptor, () => {
    opened += 1;
    return chunks();
  });
  t.is(opened, 2);
  t.true(await origin.writer.blobExists('app', descriptor.digest));
});

test('a source with other bytes than its digest says leaves nothing in the registry, and is not tried again', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin } = setup;
  const wrong = Buffer.from(bytes);
  wrong[700_000]! ^= 1;
  const broken = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield bytes.subarray(0, 10);
    throw Object.assign(new Error('disk on fire'), { code: 'EIO' });
  };
  for (const [source, code] of [
    [() => chunks(wrong), 'digest-mismatch'],
    [() => chunks(bytes.subarray(1)), 'size-mismatch'],
    [() => chunks(Buffer.concat([bytes, bytes])), 'size-mismatch'],
    [broken, 'internal'],
  ] as const) {
    const before = proxy.requests.filter(isPut).length;
    await t.throwsAsync(origin.writer.uploadBlob('app', descriptor, source), { code });
    t.true(proxy.requests.filter(isPut).length <= before + 1);
  }
  t.false(await origin.writer.blobExists('app', descriptor.digest));
  t.is(origin.health.state, 'ok');
});

test('a mount links what another repository has, and says when it does not', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { writer } = setup.origin;
  await writer.uploadBlob('team/base', descriptor, () => chunks());
  t.true(await writer.mountBlob('app', descriptor.digest, 'team/base'));
  t.true(await writer.blobExists('app', descriptor.digest));
  t.false(await writer.mountBlob('app', Digest.of(Buffer.from('unknown')), 'team/base'));
});

test('a manifest is put under a tag or its digest, and refused while its blobs are missing', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { origin, proxy } = setup;
  const config = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}');
  const { raw } = rawManifest(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MediaType.ociManifest,
        config: { mediaType: MediaType.ociConfig, digest: Digest.of(config), size: config.length },
        layers: [],
      }),
    ),
  );
  await t.throwsAsync(origin.writer.putManifest('app', raw, 'v1'));
  await origin.writer.uploadBlob('app', { digest: Digest.of(config), size: config.length }, () => chunks(config));
  t.deepEqual(await origin.writer.putManifest('app', raw, 'v1'), { subjectProcessed: false });
  t.true((await origin.resolveTag('app', 'v1')).equals(raw.digest));
  await origin.writer.putManifest('other', raw).then(
    () => t.fail('its config is in another repository'),
    () => t.pass(),
  );
  await origin.writer.putManifest('app', raw);
  proxy.inject(
    { kind: 'headers', set: { 'docker-content-digest': Digest.of(Buffer.from('x')).toString() } },
    { match: ({ method, url }) => method === 'HEAD' && url.includes('/manifests/'), times: 1 },
  );
  await t.throwsAsync(origin.writer.putManifest('app', raw, 'v2'), { code: 'digest-mismatch' });
});

test('pushes ask for a token that allows them, also for the repository that is mounted from', async (t) => {
  if (!requireTool(t, 'docker-registry', 'openssl')) return;
  const tokens = await startTokenServer(t);
  const registry = await startDockerRegistry(t, { tokenAuth: tokens.registryAuth });
  const { writer } = makeOrigin(t, registry.url, { credentials: staticCredentials(REGISTRY_USER.username, REGISTRY_USER.password) });
  await writer.uploadBlob('team/base', descriptor, () => chunks());
  t.true(await writer.mountBlob('app', descriptor.digest, 'team/base'));
  t.deepEqual(
    tokens.requests.map(({ scopes }) => scopes[0]),
    ['repository:team/base:pull,push', 'repository:app:pull,push'],
  );
  t.true(tokens.requests.at(-1)?.scopes.includes('repository:team/base:pull'));
});

test('an upload is not led from TLS to plain HTTP, and Authorization does not follow it to another host', async (t) => {
  const seen: (string | undefined)[] = [];
  const elsewhere = await serve(t, (request, response) => {
    seen.push(request.headers.authorization);
    request.resume().on('end', () => response.writeHead(201).end());
  });
  const registry = await serve(t, (request, response) => {
    if (request.headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    else if (request.method === 'POST') response.writeHead(202, { location: `${elsewhere.url}/upload` }).end();
    else response.writeHead(200).end();
  });
  const { writer } = makeOrigin(t, registry.url, { credentials: staticCredentials('u', 'p') });
  await writer.uploadBlob('app', descriptor, () => chunks());
  t.deepEqual(seen, [undefined]);
});
