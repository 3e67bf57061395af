import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { LayerswarmError } from '../../../src/errors.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { anonymous } from '../../../src/origin/credentials.ts';
import { RegistryOrigin } from '../../../src/origin/registry-origin.ts';
import { startDockerRegistry } from '../../support/docker-registry.ts';
import { type Fault, type FaultProxy, type SeenRequest, startFaultProxy } from '../../support/fault-proxy.ts';
import { pushImage } from '../../support/registry-content.ts';
import { requireTool } from '../../support/require-tool.ts';
import { TestClock } from '../../support/test-clock.ts';
import { collect } from './conformance.ts';

// Registries that get ranges wrong: any unusable answer is followed by one plain GET, and remembered for a while.

const layer = randomBytes(400_000);
const isBlob = ({ url, method }: SeenRequest): boolean => method === 'GET' && url.includes('/blobs/');
const isRanged = (request: SeenRequest): boolean => isBlob(request) && request.headers.range !== undefined;

interface Setup {
  readonly proxy: FaultProxy;
  readonly origin: RegistryOrigin;
  readonly clock: TestClock;
  readonly blob: Digest;
  readonly read: (start: number, end: number, size?: number) => Promise<Buffer>;
}

async function setUp(t: ExecutionContext): Promise<Setup | undefined> {
  if (!requireTool(t, 'docker-registry')) return undefined;
  const registry = await startDockerRegistry(t);
  const proxy = await startFaultProxy(t, registry.url);
  const blob = (await pushImage(registry, 'team/app', 'v1', [layer])).layers[0]!.digest;
  const clock = new TestClock();
  const origin = new RegistryOrigin({ url: proxy.url, credentials: anonymous, clock });
  t.teardown(() => origin.close());
  return {
    proxy,
    origin,
    clock,
    blob,
    read: (start, end, size) => collect(origin.readBlob('team/app', blob, { start, end, ...(size === undefined ? {} : { size }) })),
  };
}

const header = (range: string | undefined): Fault => ({ kind: 'headers', set: { 'content-range': range } });

const BAD_ANSWERS: readonly (readonly [title: string, fault: Fault])[] = [
  ['400', { kind: 'status', status: 400 }],
  ['405', { kind: 'status', status: 405 }],
  ['416', { kind: 'status', status: 416 }],
  ['501', { kind: 'status', status: 501 }],
  ['200 and all bytes', { kind: 'norange' }],
  ['206 without Content-Range', header(undefined)],
  ['206 of another part', header('bytes 0-9/400000')],
  ['206 of more than was asked for', header('bytes 100000-399999/400000')],
  ['206 of an unknown part', header('bytes */400000')],
  ['206 of a part that ends before it begins', header('bytes 100009-100000/400000')],
  ['206 in other units', header('items 100000-199999/400000')],
  [
    '206 of all bytes under the right Content-Range',
    { kind: 'status', status: 206, headers: { 'content-range': 'bytes 100000-199999/400000' }, body: layer },
  ],
  ['206 with fewer bytes than it says', { kind: 'short', bytes: 1_000 }],
  ['206 with more bytes than it says', { kind: 'overlong', extra: 5 }],
];

for (const [title, fault] of BAD_ANSWERS) {
  test(`a registry that answers a range with ${title} is read by one plain GET, by whoever wants a part`, async (t) => {
    const setup = await setUp(t);
    if (setup === undefined) return;
    const { proxy, origin, clock, read } = setup;
    proxy.inject(fault, { match: isRanged });
    t.true((await read(100_000, 200_000)).equals(layer.subarray(100_000, 200_000)));
    t.deepEqual(
      proxy.requests.filter(isBlob).map(({ headers }) => headers.range),
      ['bytes=100000-199999', undefined],
    );
    t.false(origin.health.ranges);

    const parts = await Promise.all([300_000, 200_000].map((start) => read(start, start + 100_000)));
    t.true(parts[1]!.equals(layer.subarray(200_000, 300_000)));
    t.true(parts[0]!.equals(layer.subarray(300_000)));
    t.is(proxy.requests.filter(isBlob).length, 2, 'both went on where the first had ended');

    clock.advance(10 * 60_000 + 1);
    t.true((await read(0, 5)).equals(layer.subarray(0, 5)));
    t.truthy(proxy.requests.filter(isBlob)[2]!.headers.range, 'it is tried again after a while');
  });
}

test('where all of a blob came for its beginning, that body is read on by whoever wants a part', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, read } = setup;
  proxy.inject({ kind: 'norange' });
  t.true((await read(0, 100_000)).equals(layer.subarray(0, 100_000)));
  const parts = await Promise.all([300_000, 100_000].map((start) => read(start, start + 100_000)));
  t.true(parts[1]!.equals(layer.subarray(100_000, 200_000)));
  t.true(parts[0]!.equals(layer.subarray(300_000)));
  t.is(proxy.requests.filter(isBlob).length, 1);
  t.false(origin.health.ranges);
});

test('who gives up a part does not end the body that all read on from', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, blob, read } = setup;
  proxy.inject({ kind: 'norange' });
  const reader = new AbortController();
  for await (const chunk of origin.readBlob('team/app', blob, { start: 0, end: 10 }, reader.signal)) t.is(chunk.length, 10);
  reader.abort(new Error('enough'));
  t.true((await read(10, 400_000)).equals(layer.subarray(10)));
  t.is(proxy.requests.filter(isBlob).length, 1);
});

test('a whole body that is cut is gone on with, and one that another part was read from is begun anew', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, read } = setup;
  proxy.inject({ kind: 'norange' });
  proxy.inject({ kind: 'cut', after: 250_000 }, { match: (request) => isBlob(request) && !isRanged(request), times: 1 });
  t.true((await read(200_000, 300_000)).equals(layer.subarray(200_000, 300_000)));
  t.true((await read(50_000, 60_000)).equals(layer.subarray(50_000, 60_000)));
  t.is(proxy.requests.filter(isBlob).length, 4);
});

test('a reader of a whole body that gives up leaves it to the others', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, blob, read } = setup;
  proxy.inject({ kind: 'norange' });
  await read(0, 10);
  const gone = new AbortController();
  const first = t.throwsAsync(async () => {
    for await (const chunk of origin.readBlob('team/app', blob, { start: 10, end: 400_000 }, gone.signal)) {
      gone.abort(new Error('enough'));
      void chunk;
    }
  });
  const second = read(200_000, 400_000);
  await first;
  t.true((await second).equals(layer.subarray(200_000)));
});

const SIZES: readonly (readonly [title: string, start: number, end: number, size: number | undefined, fault: Fault | undefined])[] = [
  ['one byte less', 0, 399_999, 399_999, undefined],
  ['one byte more', 0, 400_001, 400_001, undefined],
  ['one byte more, where only the last part shows it', 400_000, 400_001, 400_001, undefined],
  ['one byte less, where there are no ranges', 0, 399_999, 399_999, { kind: 'norange' }],
  ['more than there is', 0, 400_001, undefined, { kind: 'norange' }],
];

for (const [title, start, end, size, fault] of SIZES) {
  test(`a size that is wrong is called that, and at once: ${title}`, async (t) => {
    const setup = await setUp(t);
    if (setup === undefined) return;
    const { proxy, clock, read } = setup;
    if (fault !== undefined) proxy.inject(fault);
    const error = await t.throwsAsync<LayerswarmError>(read(start, end, size), { code: 'size-mismatch' });
    t.regex(error?.message ?? '', /has 400000 bytes of the blob sha256:\w+ of team\/app, expected /);
    t.deepEqual(clock.slept, []);
    t.true(proxy.requests.filter(isBlob).length <= 2);
  });
}

test('a registry that sends the beginning of a blob under the headers of another part is found out', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, read } = setup;
  proxy.inject({ kind: 'lyingrange' }, { match: isRanged });
  t.true((await read(0, 100_000)).equals(layer.subarray(0, 100_000)));
  t.true((await read(100_000, 200_000)).equals(layer.subarray(100_000, 200_000)));
  t.false(origin.health.ranges);
});

test('a refusal of the blob itself is no matter of ranges', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { proxy, origin, read } = setup;
  proxy.inject({ kind: 'status', status: 400, body: '{"errors":[{"code":"DENIED","message":"no"}]}' }, { match: isBlob });
  await t.throwsAsync(read(0, 10), { code: 'origin-denied', message: /DENIED: no/ });
  t.not(origin.health.ranges, false);
});
