import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { LayerswarmError } from '../../../src/errors.ts';
import { Digest } from '../../../src/oci/digest.ts';
import { unlessAborted } from '../../../src/async/abort.ts';
import { HeldBlobs, MAX_HELD_BYTES } from '../../../src/registry/pull/held-blobs.ts';
import type { BlobStore } from '../../../src/store/blob-store.ts';
import type { Fault, SeenRequest } from '../../support/fault-proxy.ts';
import { type RawAnswer, type RawRequest, send } from '../../support/raw-http.ts';
import { pushImage, type PushedImage } from '../../support/registry-content.ts';
import { type RegistryNode, type RegistryNodeOptions, startRegistryNode } from '../../support/registry-node.ts';
import { requireTool } from '../../support/require-tool.ts';
import { type OriginBehindFaults, startOrigin } from './origin-behind-faults.ts';

// What is known before the first byte of a blob is a status, so that a client goes on to its next host.

const REPOSITORY = 'team/app';
const layer = randomBytes(300_000);

interface Fixture extends OriginBehindFaults {
  readonly node: RegistryNode;
  readonly image: PushedImage;
  readonly get: (path: string, request?: RawRequest) => Promise<RawAnswer>;
  readonly layerPath: string;
}

async function start(t: ExecutionContext, options: Partial<RegistryNodeOptions> = {}): Promise<Fixture | undefined> {
  if (!requireTool(t, 'docker-registry')) return undefined;
  const behind = await startOrigin(t);
  const image = await pushImage(behind.registry, REPOSITORY, 'v1', [layer]);
  const node = await startRegistryNode(t, { origin: behind.origin, ...options });
  return {
    ...behind,
    node,
    image,
    layerPath: `blobs/${image.layers[0]!.digest.toString()}`,
    get: (path, request) => send(`${node.url}/v2/${REPOSITORY}/${path}`, request),
  };
}

const isBlobRead = ({ method, url }: SeenRequest): boolean => method === 'GET' && url.includes('/blobs/');

/** As a disk that is full: what is small still fits where `smallFits`. */
function fullDisk(store: BlobStore, { smallFits = false } = {}): BlobStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'write') return value.bind(target) as unknown;
      return async (source: AsyncIterable<Uint8Array>, options: { expectedSize?: number }) => {
        if (smallFits && (options.expectedSize ?? 0) < 10_000) return target.write(source, options);
        throw new LayerswarmError('disk-full', 'the disk is full');
      };
    },
  });
}

const REFUSALS: readonly (readonly [title: string, fault: Fault, status: number])[] = [
  ['404', { kind: 'status', status: 404 }, 404],
  ['403', { kind: 'status', status: 403 }, 404],
  ['401', { kind: 'status', status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }, 404],
  ['500', { kind: 'status', status: 500 }, 503],
  ['429', { kind: 'status', status: 429 }, 503],
  ['an encoding that nobody asked for', { kind: 'headers', set: { 'content-encoding': 'gzip' } }, 503],
  ['a connection that ends', { kind: 'reset' }, 503],
];

for (const [title, fault, status] of REFUSALS) {
  test(`an origin that answers blobs with ${title} is a ${status} to their clients, and to those of the manifest that needs them`, async (t) => {
    const fixture = await start(t);
    if (fixture === undefined) return;
    const { faults, get, node, layerPath } = fixture;
    t.is((await get('manifests/v1', { method: 'HEAD' })).status, 200);
    const heal = faults.inject(fault, { match: isBlobRead });
    const answer = await get(layerPath);
    t.is(answer.status, status);
    t.is(answer.headers['www-authenticate'], undefined);
    t.is((await get('manifests/v1')).status, status);
    t.deepEqual(node.counters.cuts, []);
    heal();
    node.clock.now += 60_000;
    t.is((await get('manifests/v1')).status, 200);
    t.deepEqual((await get(layerPath)).body, layer);
  });
}

for (const smallFits of [true, false]) {
  test(`with the disk full ${smallFits ? 'for what is large ' : ''}an image passes through whole and in parts, and the node says so`, async (t) => {
    const fixture = await start(t, { wrapStore: (store) => fullDisk(store, { smallFits }) });
    if (fixture === undefined) return;
    const { get, node, image, layerPath } = fixture;
    t.deepEqual((await get('manifests/v1')).body, image.manifest);
    t.deepEqual((await get(`blobs/${image.config.digest.toString()}`)).body, image.config.bytes);
    const whole = await get(layerPath);
    t.is(whole.status, 200);
    t.deepEqual(whole.body, layer);
    for (const [range, from, to] of [
      ['bytes=0-0', 0, 1],
      ['bytes=100000-', 100_000, layer.length],
      ['bytes=-1', layer.length - 1, layer.length],
      ['bytes=5-200000', 5, 200_001],
    ] as const) {
      const part = await get(layerPath, { headers: { range } });
      t.is(part.status, 206, range);
      t.deepEqual(part.body, layer.subarray(from, to), range);
    }
    t.is((await get(layerPath, { headers: { range: `bytes=${layer.length}-` } })).status, 416);
    t.true(node.counters.storeRefusals.length > 0);
    t.is(node.store.size(image.layers[0]!.digest), undefined);
  });
}

test('with the disk full and an origin that gives no blob, its client goes on to the next host', async (t) => {
  const fixture = await start(t, { wrapStore: (store) => fullDisk(store) });
  if (fixture === undefined) return;
  const { faults, get, layerPath } = fixture;
  await get('manifests/v1', { method: 'HEAD' });
  faults.inject({ kind: 'status', status: 403 }, { match: isBlobRead });
  const answer = await get(layerPath);
  t.is(answer.status, 503);
  t.regex(answer.body.toString(), /the disk is full; nor can it be passed through: .* 403/);
  t.is((await get('manifests/v1')).status, 404);
});

test('of wrong bytes a client gets none where they are few, and never the last one', async (t) => {
  const fixture = await start(t, { wrapStore: (store) => fullDisk(store) });
  if (fixture === undefined) return;
  const { faults, get, node, layerPath, registry } = fixture;
  const large = await pushImage(registry, REPOSITORY, 'large', [Buffer.alloc(MAX_HELD_BYTES + 1, 1)]);
  await get('manifests/v1');
  await get('manifests/large');
  faults.inject({ kind: 'corrupt', at: 200_000 }, { match: isBlobRead });
  for (const headers of [{}, { range: 'bytes=0-99' }]) {
    const answer = await get(layerPath, { headers });
    t.is(answer.status, 503, 'a part is proven by the whole');
    t.regex(answer.body.toString(), /sent other bytes than those of sha256/);
  }
  t.deepEqual(node.counters.cuts, []);
  await t.throwsAsync(get(`blobs/${large.layers[0]!.digest.toString()}`));
  t.deepEqual(node.counters.cuts, ['no-progress']);
});

test('what passes through to many clients at once is read once, and again only for who comes much later', async (t) => {
  const fixture = await start(t, { wrapStore: (store) => fullDisk(store) });
  if (fixture === undefined) return;
  const { get, node, layerPath, faults } = fixture;
  await get('manifests/v1');
  node.counters.storeRefusal = () => new LayerswarmError('disk-full', 'the disk is full');
  const before = faults.requests.filter(isBlobRead).length;
  const answers = await Promise.all(Array.from({ length: 20 }, () => get(layerPath)));
  t.true(answers.every(({ body }) => layer.equals(body)));
  t.deepEqual((await get(layerPath, { headers: { range: 'bytes=10-19' } })).body, layer.subarray(10, 20));
  t.is(faults.requests.filter(isBlobRead).length - before, 1);
});

test('with the origin away and a disk that takes nothing, what members hold passes through', async (t) => {
  const fixture = await start(t, { wrapStore: (store) => fullDisk(store) });
  if (fixture === undefined) return;
  const { faults, get, node, image, layerPath, registry } = fixture;
  const other = await pushImage(registry, REPOSITORY, 'other', [randomBytes(1000)]);
  for (const tag of ['v1', 'other']) t.is((await get(`manifests/${tag}`)).status, 200);
  faults.inject({ kind: 'reset' });
  node.clock.now += 60_000;
  node.exchange.members.set(image.layers[0]!.digest.toString(), layer);
  node.exchange.members.set(other.layers[0]!.digest.toString(), randomBytes(1000));
  t.deepEqual((await get(layerPath)).body, layer);
  t.deepEqual((await get(layerPath, { headers: { range: 'bytes=5-200000' } })).body, layer.subarray(5, 200_001));
  t.is((await get(`blobs/${other.layers[0]!.digest.toString()}`)).status, 503, 'a member gives other bytes');
});

test('where the store is known to refuse, a lazy part is read without the rest of its blob', async (t) => {
  const fixture = await start(t, { wrapStore: (store) => fullDisk(store), lazyRanges: true });
  if (fixture === undefined) return;
  const { get, node, layerPath } = fixture;
  await get('manifests/v1');
  node.counters.storeRefusal = () => new LayerswarmError('disk-full', 'the disk is full');
  t.deepEqual((await get(layerPath, { headers: { range: 'bytes=100-199' } })).body, layer.subarray(100, 200));
  t.is(node.counters.vouchedBytes, 100);
});

test('who is told a wrong size of a blob fails nobody else', async (t) => {
  const held = new HeldBlobs();
  const digest = Digest.of(layer);
  const read = async function* (): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(layer);
  };
  const [wrong, right] = [layer.length - 1, layer.length].map((size) => held.get({ digest, size }, 'the registry', read)!);
  await t.throwsAsync(wrong!, { code: 'size-mismatch' });
  t.deepEqual(await right, layer);
});

test('a reading that nobody may wait for any more ends with the endpoint', async (t) => {
  const held = new HeldBlobs();
  const digest = Digest.of(layer);
  const proven = held.get({ digest, size: layer.length }, 'the registry', async function* (signal): AsyncGenerator<Uint8Array> {
    yield layer.subarray(0, 1000);
    await unlessAborted(new Promise<never>(() => undefined), signal);
  })!;
  held.close();
  await t.throwsAsync(proven, { code: 'aborted' });
});
