import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { Digest } from '../../../../src/oci/digest.ts';
import { anonymous, type CredentialsProvider } from '../../../../src/origin/credentials.ts';
import type { Origin } from '../../../../src/origin/origin.ts';
import { basicHeader } from '../../../../src/origin/token.ts';
import type { RegistryOptions } from '../../../../src/origin/registry-options.ts';
import { RegistryOrigin } from '../../../../src/origin/registry-origin.ts';
import { type DockerRegistryOptions, REGISTRY_USER, startDockerRegistry } from '../../../support/docker-registry.ts';
import { type Fault, type FaultProxy, type SeenRequest, startFaultProxy } from '../../../support/fault-proxy.ts';
import { originThread } from '../../../support/origin-thread.ts';
import { pushImage } from '../../../support/registry-content.ts';
import { requireTool } from '../../../support/require-tool.ts';
import { waitFor } from '../../../support/wait-for.ts';
import { collect, originConformance } from '../../origin/conformance.ts';

// The bytes of a registry are read by the bulk thread; how, is decided by the registry's client in the main thread.

originConformance(test, 'RegistryOrigin read by the bulk thread', async (t) => {
  if (!requireTool(t, 'docker-registry')) return undefined;
  const registry = await startDockerRegistry(t);
  const origin = new RegistryOrigin({ url: registry.url, credentials: anonymous });
  t.teardown(() => origin.close());
  return { origin: originThread(t, origin).origin, target: registry };
});

const layer = randomBytes(400_000);
const isBlob = ({ url, method }: SeenRequest): boolean => method === 'GET' && url.includes('/blobs/');
const isRanged = (request: SeenRequest): boolean => isBlob(request) && request.headers.range !== undefined;

interface Setup {
  readonly proxy: FaultProxy;
  readonly origin: Origin;
  readonly blob: Digest;
  readonly read: (start: number, end: number, signal?: AbortSignal) => Promise<Buffer>;
  readonly end: () => void;
}

async function setUp(
  t: ExecutionContext,
  options: Partial<RegistryOptions> = {},
  registryOptions: DockerRegistryOptions = {},
): Promise<Setup | undefined> {
  if (!requireTool(t, 'docker-registry')) return undefined;
  const registry = await startDockerRegistry(t, registryOptions);
  const proxy = await startFaultProxy(t, registry.url);
  const blob = (
    await pushImage(
      { url: registry.url, authorization: basicHeader({ kind: 'basic', ...REGISTRY_USER })['authorization']! },
      'team/app',
      'v1',
      [layer],
    )
  ).layers[0]!.digest;
  const client = new RegistryOrigin({ url: proxy.url, credentials: anonymous, ...options });
  t.teardown(() => client.close());
  const { origin, end } = originThread(t, client);
  return {
    proxy,
    origin,
    blob,
    end,
    read: async (start, end_, signal) => await collect(origin.readBlob('team/app', blob, { start, end: end_ }, signal)),
  };
}

const FAULTS: readonly (readonly [title: string, fault: Fault, match: (request: SeenRequest) => boolean, times?: number])[] = [
  ['breaks off', { kind: 'cut', after: 70_000 }, isBlob, 1],
  ['answers 503 once', { kind: 'status', status: 503 }, isBlob, 1],
  ['ends the connection before an answer', { kind: 'reset' }, isBlob, 1],
  ['knows no ranges', { kind: 'norange' }, isRanged],
  ['answers a range with 416', { kind: 'status', status: 416 }, isRanged],
  ['sends the first bytes for any part', { kind: 'lyingrange' }, isRanged],
];

for (const [title, fault, match, times] of FAULTS) {
  test(`a registry that ${title} is read all the same, and its bytes are counted with its client`, async (t) => {
    const setup = await setUp(t);
    if (setup === undefined) return;
    const { origin, proxy, read } = setup;
    proxy.inject(fault, { match, times });
    t.true((await read(0, 100_000)).equals(layer.subarray(0, 100_000)));
    t.true((await read(100_000, 300_000)).equals(layer.subarray(100_000, 300_000)));
    t.true(origin.health.bytes >= 300_000);
    t.is(origin.health.state, 'ok');
    await waitFor('what it does with ranges', () => origin.health.ranges === (times === 1));
  });
}

test('what a registry refuses is refused in its own words', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { origin, proxy, read } = setup;
  const heal = proxy.inject(
    { kind: 'status', status: 403, body: '{"errors":[{"code":"DENIED","message":"not for you"}]}' },
    { match: isBlob },
  );
  await t.throwsAsync(read(0, 10), { code: 'origin-denied', message: /answered 403 .*DENIED: not for you/ });
  heal();
  proxy.inject({ kind: 'headers', set: { 'content-encoding': 'gzip' } }, { match: isBlob });
  await t.throwsAsync(read(0, 10), { code: 'unsupported' });
  await proxy.close();
  await t.throwsAsync(read(0, 10), { code: 'origin-unreachable' });
  t.is(origin.health.state, 'unreachable');
});

test('the thread reads with the login of the client, which is asked for it once', async (t) => {
  const credentials: CredentialsProvider = { source: 'the test', get: () => Promise.resolve({ kind: 'basic', ...REGISTRY_USER }) };
  const setup = await setUp(t, { credentials }, { basicAuth: true });
  if (setup === undefined) return;
  t.true((await setup.read(5, 10)).equals(layer.subarray(5, 10)));
  for (const part of await Promise.all([0, 100_000, 200_000].map((start) => setup.read(start, start + 100_000))))
    t.is(part.length, 100_000);
  t.deepEqual(
    setup.proxy.requests.filter(isBlob).map(({ status }) => status),
    [401, 206, 206, 206, 206],
  );
});

test('no more bodies are read at a time than the budget allows, and the places come back when readers are gone', async (t) => {
  const setup = await setUp(t, { maxConnections: 2 });
  if (setup === undefined) return;
  const { proxy, read } = setup;
  const heal = proxy.inject({ kind: 'stall', after: 10 }, { match: isBlob });
  const controller = new AbortController();
  const reads = Array.from({ length: 5 }, async () => {
    await t.throwsAsync(read(0, 100_000, controller.signal), { code: 'aborted' });
  });
  await waitFor('two bodies', () => proxy.requests.filter(({ bodyBytes }) => bodyBytes >= 10).length === 2);
  controller.abort();
  await Promise.all(reads);
  t.is(proxy.requests.filter(isBlob).length, 2);
  heal();
  t.true((await read(0, layer.length)).equals(layer));
});

test('a thread that ends gives back the places that its reads had', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const registry = await startDockerRegistry(t);
  const proxy = await startFaultProxy(t, registry.url);
  const blob = (await pushImage(registry, 'team/app', 'v1', [layer])).layers[0]!.digest;
  const client = new RegistryOrigin({ url: proxy.url, credentials: anonymous, maxConnections: 1 });
  t.teardown(() => client.close());
  const first = originThread(t, client);
  const heal = proxy.inject({ kind: 'stall', after: 10 }, { match: isBlob });
  const stop = new AbortController();
  const lost = collect(first.origin.readBlob('team/app', blob, { start: 0, end: 100_000 }, stop.signal));
  await waitFor('a body', () => proxy.requests.some(({ bodyBytes }) => bodyBytes >= 10));
  first.end();
  heal();
  t.true(
    (await collect(originThread(t, client).origin.readBlob('team/app', blob, { start: 0, end: 100_000 }))).equals(
      layer.subarray(0, 100_000),
    ),
  );
  stop.abort();
  await t.throwsAsync(lost);
});
