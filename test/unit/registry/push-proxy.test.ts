import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from 'undici';
import { Digest } from '../../../src/oci/digest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { registryNameOf } from '../../../src/origin/registry-name.ts';
import { Namespaces } from '../../../src/registry/namespace.ts';
import { PushProxy } from '../../../src/registry/push-proxy/push-proxy.ts';
import type { BlobStore } from '../../../src/store/blob-store.ts';
import type { ImageStore } from '../../../src/store/images/image-store.ts';
import { openStore } from '../../../src/store/store.ts';
import { type DockerRegistry, REGISTRY_USER, startDockerRegistry } from '../../support/docker-registry.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import { OciLayout } from '../../support/oci-layout.ts';
import { send } from '../../support/raw-http.ts';
import { pushBlob, pushImage, pushIndex } from '../../support/registry-content.ts';
import { requireTool } from '../../support/require-tool.ts';
import { skopeo, skopeoCopy } from '../../support/skopeo.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { startTokenServer } from '../../support/token-server.ts';

const CREDENTIALS = `${REGISTRY_USER.username}:${REGISTRY_USER.password}`;

interface Running {
  readonly url: string;
  readonly host: string;
  readonly store: BlobStore;
  readonly images: ImageStore;
  readonly log: string[];
  /** Tags that the swarm would be told of. */
  readonly moved: string[];
  readonly uploads: () => Promise<string[]>;
  /** The name under which the store has the repository. */
  readonly full: (repository: string) => string;
}

async function startProxy(
  t: ExecutionContext,
  originUrl: string,
  options: { isExcluded?: (repository: string) => boolean; wrapStore?: (store: BlobStore) => BlobStore } = {},
): Promise<Running> {
  const folder = tempDir(t, 'push');
  const opened = await openStore(join(folder, 'store'), { reserveBytes: 0 });
  t.teardown(() => opened.close());
  const store = options.wrapStore?.(opened.blobs) ?? opened.blobs;
  const dispatcher = new Agent();
  t.teardown(() => dispatcher.destroy());
  const log: string[] = [];
  const moved: string[] = [];
  const record = (message: string, fields: object = {}): void => void log.push(`${message} ${JSON.stringify(fields)}`);
  const proxy = new PushProxy({
    listen: { host: '127.0.0.1', port: 0 },
    upstream: () => ({ url: originUrl, dispatcher }),
    namespaces: new Namespaces({ registryName: () => registryNameOf(originUrl), aliases: () => [] }),
    store,
    images: opened.images,
    isExcluded: options.isExcluded ?? (() => false),
    uploadsFolder: join(folder, 'uploads'),
    onTag: (repository, tag) => void moved.push(`${repository}:${tag}`),
    log: { debug: record, warn: record },
    observer: { answered: () => undefined, sentToClient: () => undefined, cut: () => undefined, refused: () => undefined },
  });
  await proxy.start();
  t.teardown(() => proxy.stop(0));
  return {
    url: proxy.url,
    host: new URL(proxy.url).host,
    store,
    images: opened.images,
    log,
    moved,
    uploads: () => readdir(join(folder, 'uploads')),
    full: (repository) => `${registryNameOf(originUrl)}/${repository}`,
  };
}

async function sampleLayout(t: ExecutionContext): Promise<{ layout: OciLayout; digests: Digest[]; manifest: Digest }> {
  const layout = await OciLayout.create(join(tempDir(t, 'layout'), 'source'));
  const layers = [await layout.addLayer({ 'a.bin': randomBytes(300_000) }), await layout.addLayer({ 'b.bin': randomBytes(100) }, 'none')];
  const image = await layout.addImage({ layers, tag: 'v1' });
  const { blobs } = await layout.closure(image);
  return { layout, digests: blobs.map(({ digest }) => Digest.parse(digest)), manifest: Digest.parse(image.digest) };
}

async function assertKept(
  t: ExecutionContext,
  proxy: Running,
  repository: string,
  { digests, manifest }: { digests: Digest[]; manifest: Digest },
): Promise<void> {
  const full = proxy.full(repository);
  for (const digest of digests) {
    t.not(proxy.store.size(digest), undefined, digest.toString());
    t.true(proxy.images.isLinked(full, digest));
  }
  t.is(proxy.images.tag(full, 'v1')?.digest.toString(), manifest.toString());
  t.truthy(await proxy.images.manifest(full, manifest));
  t.deepEqual(await proxy.uploads(), []);
}

test('skopeo pushes through to a registry with passwords, and the node keeps all of it', async (t) => {
  if (!requireTool(t, 'skopeo', 'docker-registry')) return;
  const registry = await startDockerRegistry(t, { basicAuth: true });
  const proxy = await startProxy(t, registry.url);
  const sample = await sampleLayout(t);

  const challenge = await send(`${proxy.url}/v2/`);
  t.is(challenge.status, 401);
  t.is(challenge.headers['www-authenticate'], 'Basic realm="test registry"');
  const refused = await skopeo(['copy', '--dest-tls-verify=false', `oci:${sample.layout.dir}:v1`, `docker://${proxy.host}/team/app:v1`]);
  t.not(refused.code, 0);
  t.is(proxy.images.tag(proxy.full('team/app'), 'v1'), undefined);

  await skopeoCopyAs(`oci:${sample.layout.dir}:v1`, `docker://${proxy.host}/team/app:v1`);
  await assertKept(t, proxy, 'team/app', sample);
  t.deepEqual(proxy.moved, [`${proxy.full('team/app')}:v1`], 'members are told once the origin has the tag');
  const back = join(tempDir(t, 'back'), 'image');
  await skopeoCopyAs(`docker://${registry.host}/team/app:v1`, `oci:${back}:v1`);
  t.is((await OciLayout.open(back).tagged('v1')).digest, sample.manifest.toString());

  const secrets = [REGISTRY_USER.password, Buffer.from(CREDENTIALS).toString('base64')];
  for (const line of proxy.log)
    t.false(
      secrets.some((secret) => line.includes(secret)),
      line,
    );
});

test('skopeo pushes through to a registry with a token authority, which it asks itself', async (t) => {
  if (!requireTool(t, 'skopeo', 'docker-registry', 'openssl')) return;
  const tokens = await startTokenServer(t);
  const registry = await startDockerRegistry(t, { tokenAuth: tokens.registryAuth });
  const proxy = await startProxy(t, registry.url);
  const sample = await sampleLayout(t);
  const challenge = await send(`${proxy.url}/v2/`);
  t.is(challenge.status, 401);
  t.true(String(challenge.headers['www-authenticate']).startsWith(`Bearer realm="${tokens.realm}"`));
  await skopeoCopyAs(`oci:${sample.layout.dir}:v1`, `docker://${proxy.host}/team/app:v1`);
  await assertKept(t, proxy, 'team/app', sample);
  t.true(tokens.requests.length > 0);
});

async function skopeoCopyAs(source: string, destination: string): Promise<void> {
  const side = source.startsWith('docker:') ? 'src' : 'dest';
  const result = await skopeo([
    'copy',
    '--preserve-digests',
    '--src-tls-verify=false',
    '--dest-tls-verify=false',
    `--${side}-creds`,
    CREDENTIALS,
    source,
    destination,
  ]);
  if (result.code !== 0) throw new Error(result.stderr);
}

async function throughFaults(
  t: ExecutionContext,
  options?: Parameters<typeof startProxy>[2],
): Promise<{ registry: DockerRegistry; faults: FaultProxy; proxy: Running }> {
  const registry = await startDockerRegistry(t);
  const faults = await startFaultProxy(t, registry.url);
  return { registry, faults, proxy: await startProxy(t, faults.url, options) };
}

test('locations lead back to this listener, whatever the origin calls itself', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy, faults } = await throughFaults(t);
  const blob = randomBytes(5000);
  const started = await send(`${proxy.url}/v2/team/app/blobs/uploads/`, { method: 'POST', body: '' });
  t.is(started.status, 202);
  t.regex(started.headers.location!, /^\/v2\/team\/app\/blobs\/uploads\/.+\?_state=/);
  t.is(faults.requests.at(-1)?.headers.host, faults.host);
  t.is((await pushBlob(proxy, 'team/app', blob)).toString(), Digest.of(blob).toString());
  t.true(proxy.images.isLinked(proxy.full('team/app'), Digest.of(blob)));
});

test('a Location on another host is left as it is, and the copy is given up', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy, faults } = await throughFaults(t);
  faults.inject(
    { kind: 'headers', set: { location: 'https://storage.example/upload?signed=1' } },
    { match: ({ method }) => method === 'POST' },
  );
  const started = await send(`${proxy.url}/v2/team/app/blobs/uploads/`, { method: 'POST', body: '' });
  t.is(started.headers.location, 'https://storage.example/upload?signed=1');
  t.deepEqual(await proxy.uploads(), []);
});

test("what the origin refuses is not kept, and its answer is the client's", async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy, faults } = await throughFaults(t);
  const bytes = randomBytes(4000);
  const body = '{"errors":[{"code":"DENIED","message":"quota exceeded"}]}';
  const heal = faults.inject(
    { kind: 'status', status: 403, headers: { 'content-type': 'application/json' }, body },
    { match: ({ method, url }) => method === 'PUT' && url.includes('/blobs/') },
  );
  const error = await t.throwsAsync(pushBlob(proxy, 'team/app', bytes));
  t.regex(error.message, /403 .*quota exceeded/);
  t.is(proxy.store.size(Digest.of(bytes)), undefined);
  t.deepEqual(await proxy.uploads(), []);
  heal();
  faults.inject({ kind: 'status', status: 500 }, { match: ({ method, url }) => method === 'PUT' && url.includes('/manifests/') });
  await t.throwsAsync(pushImage(proxy, 'team/app', 'v1'));
  t.deepEqual(proxy.moved, []);
  t.is(proxy.images.tag(proxy.full('team/app'), 'v1'), undefined);
});

test('bytes that the origin takes under a wrong digest are not kept under it', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy, faults } = await throughFaults(t);
  faults.inject({ kind: 'status', status: 201 }, { match: ({ method }) => method === 'PUT' });
  const wrong = Digest.of(Buffer.from('something else'));
  const started = await send(`${proxy.url}/v2/team/app/blobs/uploads/`, { method: 'POST', body: '' });
  const ended = await send(`${proxy.url}${started.headers.location!}&digest=${wrong.toString()}`, {
    method: 'PUT',
    body: randomBytes(100),
  });
  t.is(ended.status, 201);
  t.is(proxy.store.size(wrong), undefined);
  t.false(proxy.images.isLinked(proxy.full('team/app'), wrong));
  t.regex(proxy.log.join('\n'), /could not keep a layer/);
  const manifest = await send(`${proxy.url}/v2/team/app/manifests/${wrong.toString()}`, {
    method: 'PUT',
    body: '{}',
    headers: { 'content-type': MediaType.ociManifest },
  });
  t.is(manifest.status, 201);
  t.is(await proxy.images.anyManifest(wrong), undefined);
});

test('chunks are kept in step with the origin', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy } = await throughFaults(t);
  const blob = randomBytes(300_000);
  const digest = Digest.of(blob);
  let { location } = (await send(`${proxy.url}/v2/team/app/blobs/uploads/`, { method: 'POST', body: '' })).headers;
  for (const [start, end] of [
    [0, 100_000],
    [100_000, 250_000],
  ] as const) {
    const answer = await send(`${proxy.url}${location!}`, {
      method: 'PATCH',
      body: blob.subarray(start, end),
      headers: { 'content-type': 'application/octet-stream', 'content-range': `${start}-${end - 1}` },
    });
    t.is(answer.status, 202);
    t.is(answer.headers['range'], `0-${end - 1}`);
    ({ location } = answer.headers);
  }
  const ended = await send(`${proxy.url}${location!}&digest=${digest.toString()}`, { method: 'PUT', body: blob.subarray(250_000) });
  t.is(ended.status, 201);
  t.is(proxy.store.size(digest), blob.length);
});

test('a full disk here lets the push through without a copy', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  const { proxy, registry } = await throughFaults(t, {
    wrapStore: (store) =>
      new Proxy(store, {
        get: (target, name) => {
          if (name === 'write') return () => Promise.reject(full);
          const value: unknown = Reflect.get(target, name);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      }),
  });
  const blob = randomBytes(1000);
  const digest = await pushBlob(proxy, 'team/app', blob);
  t.deepEqual((await send(`${registry.url}/v2/team/app/blobs/${digest.toString()}`)).body, blob);
  t.is(proxy.store.size(digest), undefined);
});

test('a mount that the origin made links the blob here', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy } = await throughFaults(t);
  const digest = await pushBlob(proxy, 'team/app', randomBytes(100));
  const mounted = await send(`${proxy.url}/v2/team/copy/blobs/uploads/?mount=${digest.toString()}&from=team/app`, {
    method: 'POST',
    body: '',
  });
  t.is(mounted.status, 201);
  t.true(proxy.images.isLinked(proxy.full('team/copy'), digest));
  t.deepEqual(await proxy.uploads(), []);
});

test('an excluded repository passes through and leaves nothing here', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy } = await throughFaults(t, { isExcluded: (repository) => repository.startsWith('secret/') });
  const image = await pushImage(proxy, 'secret/app', 'v1');
  t.is(proxy.store.size(image.digest), undefined);
  t.is(proxy.store.size(image.config.digest), undefined);
  t.deepEqual(proxy.images.repositories(), []);
});

test('a namespace goes no further, and a strange one is refused without a request', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy, faults } = await throughFaults(t);
  const digest = Digest.of(Buffer.from('x')).toString();
  await send(`${proxy.url}/v2/team/app/blobs/uploads/?ns=${faults.host}&mount=${digest}&from=team/base`, { method: 'POST', body: '' });
  t.is(faults.requests.at(-1)?.url, `/v2/team/app/blobs/uploads/?mount=${digest}&from=team/base`);
  const seen = faults.requests.length;
  t.is((await send(`${proxy.url}/v2/team/app/blobs/uploads/?ns=169.254.169.254`, { method: 'POST', body: '' })).status, 404);
  t.is(faults.requests.length, seen);
});

test('an origin that is away is a 503, and nothing is left of the push', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy, faults } = await throughFaults(t);
  await faults.close();
  const answer = await send(`${proxy.url}/v2/team/app/blobs/uploads/`, { method: 'POST', body: '' });
  t.is(answer.status, 503);
  t.regex(answer.body.toString(), /could not be reached/);
  t.deepEqual(await proxy.uploads(), []);
});

test('an index and its children are kept as they were pushed', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { proxy } = await throughFaults(t);
  const image = await pushImage(proxy, 'team/app', 'child');
  const index = await pushIndex(proxy, 'team/app', 'index', image);
  t.deepEqual((await proxy.images.manifest(proxy.full('team/app'), index.digest))?.bytes, index.bytes);
});

test('skopeo pushes through to a registry that is open to all', async (t) => {
  if (!requireTool(t, 'skopeo', 'docker-registry')) return;
  const { proxy } = await throughFaults(t);
  const sample = await sampleLayout(t);
  await skopeoCopy(`oci:${sample.layout.dir}:v1`, `docker://${proxy.host}/team/app:v1`);
  await assertKept(t, proxy, 'team/app', sample);
});
