import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { once as eventOf } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { Digest } from '../../../src/oci/digest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { registryNameOf } from '../../../src/origin/registry-name.ts';
import type { SeenRequest } from '../../support/fault-proxy.ts';
import { type RawAnswer, type RawRequest, send } from '../../support/raw-http.ts';
import { pushBlob, pushImage, pushManifest, type PushedImage } from '../../support/registry-content.ts';
import { type RegistryNode, type RegistryNodeOptions, startRegistryNode } from '../../support/registry-node.ts';
import { requireTool } from '../../support/require-tool.ts';
import { waitFor } from '../../support/wait-for.ts';
import { type OriginBehindFaults, startOrigin } from './origin-behind-faults.ts';

// A node in front of a real registry (distribution 2.8), behind a proxy that fails as it is told.

const REPOSITORY = 'team/app';

interface Fixture extends OriginBehindFaults {
  readonly node: RegistryNode;
  readonly image: PushedImage;
  readonly full: string;
  readonly get: (path: string, request?: RawRequest) => Promise<RawAnswer>;
}

async function start(t: ExecutionContext, options: Partial<RegistryNodeOptions> = {}): Promise<Fixture> {
  const behind = await startOrigin(t);
  const image = await pushImage(behind.registry, REPOSITORY, 'v1', [randomBytes(300_000), randomBytes(10_000)]);
  const node = await startRegistryNode(t, { origin: behind.origin, ...options });
  return {
    ...behind,
    node,
    image,
    full: `${registryNameOf(behind.faults.url)}/${REPOSITORY}`,
    get: (path, request) => send(`${node.url}/v2/${REPOSITORY}/${path}`, request),
  };
}

function real(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) => {
    if (requireTool(t, 'docker-registry')) await body(t);
  });
}

/** As if the node had pulled it a moment ago. */
async function keep({ store, images, clock }: RegistryNode, full: string, tag: string, image: PushedImage): Promise<void> {
  for (const { digest, bytes } of [image.config, ...image.layers]) await store.write(once(bytes), { expected: digest });
  await images.putManifest(full, { digest: image.digest, mediaType: MediaType.ociManifest, bytes: image.manifest });
  images.setTag(full, tag, image.digest, clock.now);
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

const isTagRequest = ({ url }: SeenRequest): boolean => /\/manifests\/v\d$/.test(url);
const isManifestByDigest = ({ url }: SeenRequest): boolean => url.includes('/manifests/sha256:');
const isBlobRead = ({ method, url }: SeenRequest): boolean => method === 'GET' && url.includes('/blobs/');

function layerPath({ layers }: PushedImage, index = 0): string {
  return `blobs/${layers[index]!.digest.toString()}`;
}

function codeOf(answer: RawAnswer): string | undefined {
  return (JSON.parse(answer.body.toString()) as { errors: { code: string }[] }).errors[0]?.code;
}

real('an image comes whole, byte by byte, and HEAD says the same as GET', async (t) => {
  const { get, image } = await start(t);
  for (const [path, bytes] of [
    ['manifests/v1', image.manifest],
    [`manifests/${image.digest.toString()}`, image.manifest],
    [`blobs/${image.config.digest.toString()}`, image.config.bytes],
    [layerPath(image), image.layers[0]!.bytes],
    [layerPath(image, 1), image.layers[1]!.bytes],
  ] as const) {
    const head = await get(path, { method: 'HEAD' });
    const answer = await get(path, { headers: { 'accept-encoding': 'gzip, zstd' } });
    t.is(answer.status, 200);
    t.deepEqual(answer.body, bytes);
    t.is(answer.headers['content-encoding'], undefined);
    const { date: _a, ...headHeaders } = head.headers;
    const { date: _b, ...getHeaders } = answer.headers;
    t.deepEqual(headHeaders, getHeaders, path);
    t.is(head.body.length, 0);
  }
});

for (const where of ['origin', 'store'] as const) {
  real(`ranges of a blob in the ${where} are answered as asked`, async (t) => {
    const { get, image, node } = await start(t);
    await get('manifests/v1');
    const [layer] = image.layers;
    const size = layer!.bytes.length;
    if (where === 'store') {
      await get(layerPath(image));
      await waitFor('the blob in the store', () => node.store.size(layer!.digest));
    }
    for (const [range, start, end] of [
      ['bytes=0-9', 0, 10],
      [`bytes=${size - 5}-`, size - 5, size],
      ['bytes=-7', size - 7, size],
      [`bytes=100-${size * 2}`, 100, size],
    ] as const) {
      const answer = await get(layerPath(image), { headers: { range } });
      t.is(answer.status, 206, range);
      t.is(answer.headers['content-range'], `bytes ${start}-${end - 1}/${size}`);
      t.is(answer.headers['content-length'], String(end - start));
      t.deepEqual(answer.body, layer!.bytes.subarray(start, end));
    }
    const beyond = await get(layerPath(image), { headers: { range: `bytes=${size}-` } });
    t.is(beyond.status, 416);
    t.is(beyond.headers['content-range'], `bytes */${size}`);
    t.is((await get(layerPath(image), { headers: { range: 'bytes=0-1,5-6' } })).status, 400);
    t.is((await get(layerPath(image), { headers: { range: 'bytes=0-1', 'if-range': '"other"' } })).status, 200);
    t.is((await get(layerPath(image), { headers: { range: 'bytes=0-1', 'if-range': `"${layer!.digest.toString()}"` } })).status, 206);
    const head = await get(layerPath(image), { method: 'HEAD', headers: { range: 'bytes=0-1' } });
    t.is(head.status, 200);
    t.is(head.headers['content-length'], String(size));
  });
}

real('parallel ranges put together are the blob, from one fetch', async (t) => {
  const { get, image, node } = await start(t);
  await get('manifests/v1');
  const [layer] = image.layers;
  const step = 40_000;
  const { started } = node.exchange;
  const starts = Array.from({ length: Math.ceil(layer!.bytes.length / step) }, (_, index) => index * step);
  const parts = await Promise.all(
    starts.map((start) => get(layerPath(image), { headers: { range: `bytes=${start}-${start + step - 1}` } })),
  );
  t.deepEqual(Buffer.concat(parts.map(({ body }) => body)), layer!.bytes);
  t.is(node.exchange.started - started, 1);
});

real('fifty clients of one cold blob are one fetch from the origin', async (t) => {
  const { get, image, node, faults } = await start(t);
  await get('manifests/v1');
  const { started } = node.exchange;
  const answers = await Promise.all(Array.from({ length: 50 }, () => get(layerPath(image))));
  for (const { status, body } of answers) {
    t.is(status, 200);
    t.true(body.equals(image.layers[0]!.bytes));
  }
  t.is(node.exchange.started - started, 1);
  t.is(faults.requests.filter(({ method, url }) => method === 'GET' && url.includes(layerPath(image))).length, 1);
  await waitFor('the release of all', () => node.exchange.interested === 0);
});

real('a pull that is warm asks the origin for no manifest and no blob', async (t) => {
  const { get, image, faults, node } = await start(t);
  const pull = async (): Promise<void> => {
    await get('manifests/v1', { method: 'HEAD' });
    for (const path of [
      `manifests/${image.digest.toString()}`,
      `blobs/${image.config.digest.toString()}`,
      layerPath(image),
      layerPath(image, 1),
    ])
      t.is((await get(path)).status, 200);
  };
  await pull();
  for (const { digest } of image.layers) await waitFor('the layer in the store', () => node.store.size(digest));
  const before = faults.requests.length;
  await pull();
  t.deepEqual(faults.requests.slice(before), []);
  node.clock.now += 31_000;
  await pull();
  t.deepEqual(
    faults.requests.slice(before).map(({ method }) => method),
    ['HEAD'],
  );
});

real('Accept does not change what a tag means', async (t) => {
  const { get, image, registry } = await start(t);
  const index = await pushManifest(
    registry,
    REPOSITORY,
    'v2',
    {
      schemaVersion: 2,
      mediaType: MediaType.ociIndex,
      manifests: [
        {
          mediaType: MediaType.ociManifest,
          digest: image.digest,
          size: image.manifest.length,
          platform: { os: 'linux', architecture: 'amd64' },
        },
      ],
    },
    MediaType.ociIndex,
  );
  for (const accept of [
    '*/*',
    MediaType.ociManifest,
    MediaType.dockerManifest,
    'application/vnd.docker.distribution.manifest.v1+json',
    '',
  ]) {
    const answer = await get('manifests/v2', { headers: { accept } });
    t.is(answer.headers['docker-content-digest'], index.digest.toString(), accept);
    t.is(answer.headers['content-type'], MediaType.ociIndex);
  }
});

real('a tag that moved is followed when its time is over', async (t) => {
  const { get, image, registry, node } = await start(t);
  t.is((await get('manifests/v1')).headers['docker-content-digest'], image.digest.toString());
  const next = await pushImage(registry, REPOSITORY, 'v1');
  t.is((await get('manifests/v1')).headers['docker-content-digest'], image.digest.toString());
  node.clock.now += 30_001;
  const answer = await get('manifests/v1');
  t.is(answer.headers['docker-content-digest'], next.digest.toString());
  t.is(answer.headers['warning'], undefined);
});

real('many who ask for a tag at once are one request to the origin', async (t) => {
  const { get, faults } = await start(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => get('manifests/v1', { method: 'HEAD' })));
  t.true(answers.every(({ status }) => status === 200));
  t.is(faults.requests.filter(isTagRequest).length, 1);
  t.is(faults.requests.filter(isManifestByDigest).length, 1);
});

real('a tag that the origin deleted is gone, and is not remembered when the origin goes away', async (t) => {
  const { get, image, faults, node, full } = await start(t);
  await get('manifests/v1');
  faults.inject(
    { kind: 'status', status: 404, headers: { 'content-type': 'application/json' }, body: '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}' },
    { match: isTagRequest },
  );
  node.clock.now += 30_001;
  const gone = await get('manifests/v1');
  t.is(gone.status, 404);
  t.is(codeOf(gone), 'MANIFEST_UNKNOWN');
  t.is(node.images.tag(full, 'v1'), undefined);
  await faults.close();
  t.is((await get('manifests/v1')).status, 503);
  t.is((await get(`manifests/${image.digest.toString()}`, { method: 'HEAD' })).status, 503, 'its layers cannot be had');
});

for (const status of [401, 403]) {
  real(`a repository that the origin answers with ${status} is not served, without a challenge`, async (t) => {
    const { get, faults, node } = await start(t);
    await get('manifests/v1');
    faults.inject({ kind: 'status', status, headers: { 'www-authenticate': 'Basic realm="origin"' } });
    node.clock.now += 30_001;
    for (const path of [
      'manifests/v1',
      'tags/list',
      `blobs/${Digest.of(randomBytes(8)).toString()}`,
      `referrers/${Digest.of(randomBytes(8)).toString()}`,
    ]) {
      const answer = await get(path);
      t.is(answer.status, 404, path);
      t.is(answer.headers['www-authenticate'], undefined);
    }
  });
}

for (const [title, fault] of [
  ['is down', undefined],
  ['answers 500', { kind: 'status', status: 500 }],
  ['answers 503', { kind: 'status', status: 503 }],
  ['answers 429', { kind: 'status', status: 429, headers: { 'retry-after': '60' } }],
  ['resets connections', { kind: 'reset' }],
  ['hangs', { kind: 'hang' }],
] as const) {
  real(`an origin that ${title}: a warm tag is served as stale, a cold one is a 503, and the base answers`, async (t) => {
    const { get, image, faults, node, full } = await start(t, title === 'hangs' ? { timing: { originTimeout: 200 } } : {});
    await keep(node, full, 'v1', image);
    if (fault === undefined) await faults.close();
    else faults.inject(fault);
    node.clock.now += 30_001;
    const stale = await get('manifests/v1');
    t.is(stale.status, 200);
    t.deepEqual(stale.body, image.manifest);
    t.regex(String(stale.headers['warning']), /^299 layerswarm "the origin is away; this is what it said to this node at \d{4}-/);
    t.is(node.counters.stale, 1);
    t.is((await get(layerPath(image))).status, 200);

    const cold = await get('manifests/v2');
    t.is(cold.status, 503);
    t.is(codeOf(cold), 'UNAVAILABLE');
    t.is(cold.headers['retry-after'], '5');
    t.is((await send(`${node.url}/v2/`)).status, 200);
    const tags = await get('tags/list');
    t.deepEqual(JSON.parse(tags.body.toString()), { name: REPOSITORY, tags: ['v1'] });
    t.truthy(tags.headers['warning']);

    node.clock.now += 8 * 24 * 3_600_000;
    t.is((await get('manifests/v1')).status, 503, 'too old to be served');
  });
}

real('an origin that hangs costs the first client its time-out, and those after it nothing', async (t) => {
  const { get, faults } = await start(t, { timing: { originTimeout: 300 } });
  faults.inject({ kind: 'hang' });
  t.is((await get('manifests/v1')).status, 503);
  const asked = faults.requests.length;
  t.is((await get('manifests/v1')).status, 503);
  t.is((await get('manifests/v2')).status, 503);
  t.is(faults.requests.length, asked);
});

real('headers do not wait for an origin that hangs, whatever it is asked', async (t) => {
  const { get, faults } = await start(t, { deadlineMs: 300 });
  faults.inject({ kind: 'hang' });
  for (const path of ['manifests/v1', 'tags/list', `blobs/${Digest.of(randomBytes(8)).toString()}`]) {
    const answer = await get(path);
    t.is(answer.status, 503, path);
    t.is(codeOf(answer), 'UNAVAILABLE');
  }
});

real('what members agree on is served while the origin is down, with their names, and nothing where they do not', async (t) => {
  const remembered = Promise.withResolvers<PushedImage>();
  let age = 0;
  let wanted = 1;
  const { get, registry, image, faults, node } = await start(t, {
    tagMemory: async (repository, tag) => {
      if (repository !== REPOSITORY || tag !== 'v1') return { agreed: undefined, heard: 0, wanted };
      return {
        agreed: wanted > 1 ? undefined : { digest: (await remembered.promise).digest, checkedAt: Date.now() - age, witnesses: ['peerA'] },
        heard: 1,
        wanted,
      };
    },
  });
  const next = await pushImage(registry, REPOSITORY, 'v1', [randomBytes(100)]);
  remembered.resolve(next);
  for (const bytes of [next.manifest, next.config.bytes, next.layers[0]!.bytes])
    node.exchange.members.set(Digest.of(bytes).toString(), bytes);
  await faults.close();
  const answer = await get('manifests/v1');
  t.is(answer.status, 200);
  t.is(answer.headers['docker-content-digest'], next.digest.toString());
  t.regex(String(answer.headers['warning']), /^299 layerswarm "the origin is away; this is what peerA heard from it, last at \d{4}-/);
  t.deepEqual((await get(layerPath(next))).body, next.layers[0]!.bytes);
  t.not(next.digest.toString(), image.digest.toString());
  age = 8 * 24 * 3_600_000;
  t.is((await get('manifests/v1')).status, 503);
  [age, wanted] = [0, 2];
  const refused = await get('manifests/v1');
  t.is(refused.status, 503);
  t.regex(refused.body.toString(), /of 1 members that remember this tag too few agree, on 2 different hosts/);
});

real('what this node heard from the origin itself comes before what members say', async (t) => {
  const other = Digest.of(Buffer.from('never there'));
  const { get, image, faults, node, full } = await start(t, {
    tagMemory: () =>
      Promise.resolve({ agreed: { digest: other, checkedAt: Date.now() + 1, witnesses: ['liar', 'friend'] }, heard: 2, wanted: 2 }),
  });
  await keep(node, full, 'v1', image);
  node.clock.now += 60_000;
  await faults.close();
  const answer = await get('manifests/v1');
  t.is(answer.headers['docker-content-digest'], image.digest.toString());
  t.regex(String(answer.headers['warning']), /this is what it said to this node at/);
});

real('with the origin away a node that has nothing serves an image by digest from the members', async (t) => {
  const { get, image, faults, node } = await start(t);
  await faults.close();
  t.is((await get(`manifests/${image.digest.toString()}`)).status, 503);
  node.exchange.members.set(image.digest.toString(), image.manifest);
  node.exchange.members.set(image.config.digest.toString(), image.config.bytes);
  const missing = await get(`manifests/${image.digest.toString()}`);
  t.is(missing.status, 503);
  t.true(missing.body.toString().includes(image.layers[0]!.digest.toString()), 'it says what is missing');
  for (const { digest, bytes } of image.layers) node.exchange.members.set(digest.toString(), bytes);
  t.deepEqual((await get(`manifests/${image.digest.toString()}`)).body, image.manifest);
  t.deepEqual((await get(layerPath(image))).body, image.layers[0]!.bytes);
});

real('a blob that is linked but cannot be had is a 503, not a body that is cut', async (t) => {
  const { get, image, faults, node } = await start(t);
  await get('manifests/v1');
  await faults.close();
  node.clock.now += 30_001;
  const answer = await get(layerPath(image));
  t.is(answer.status, 503);
  t.regex(answer.body.toString(), /no member has/);
  t.deepEqual(node.counters.cuts, []);
});

real('a manifest comes from the members where they have it', async (t) => {
  const { get, image, faults, node } = await start(t);
  node.exchange.members.set(image.digest.toString(), image.manifest);
  t.deepEqual((await get('manifests/v1')).body, image.manifest);
  t.is(faults.requests.filter(isManifestByDigest).length, 0);
});

real('a manifest that is corrupt at the origin is not served', async (t) => {
  const { get, image, faults, node } = await start(t);
  const heal = faults.inject(
    { kind: 'corrupt', at: 10 },
    { match: (request) => request.url.includes('/manifests/') && request.method === 'GET' },
  );
  for (const reference of ['v1', image.digest.toString()]) {
    const answer = await get(`manifests/${reference}`);
    t.is(answer.status, 503, reference);
    t.is(codeOf(answer), 'UNAVAILABLE');
  }
  t.is(node.store.size(image.digest), undefined);
  heal();
  t.is((await get('manifests/v1')).status, 200);
});

real('a blob that is cut at the origin is cut at the client, who comes back for the rest', async (t) => {
  const { get, image, faults, node } = await start(t);
  await get('manifests/v1');
  // slow enough for the first bytes to arrive before the end
  faults.inject({ kind: 'slow', bytesPerSecond: 500_000 }, { match: isBlobRead, times: 1 });
  faults.inject({ kind: 'cut', after: 100_000 }, { match: isBlobRead, times: 1 });
  const heal = faults.inject({ kind: 'status', status: 500 }, { match: ({ headers }) => /^bytes=[1-9]/.test(headers.range ?? '') });
  const request = httpGet(`${node.url}/v2/${REPOSITORY}/${layerPath(image)}`, { agent: false });
  const [response] = (await eventOf(request, 'response')) as [IncomingMessage];
  t.is(response.statusCode, 200);
  const received: Buffer[] = [];
  await t.throwsAsync(async () => {
    for await (const chunk of response) received.push(chunk as Buffer);
  });
  const { length } = Buffer.concat(received);
  t.true(length < image.layers[0]!.bytes.length);
  heal();
  const rest = await get(layerPath(image), { headers: { range: `bytes=${length}-` } });
  t.is(rest.status, 206);
  t.deepEqual(Buffer.concat([...received, rest.body]), image.layers[0]!.bytes);
});

real('a blob is read only through a repository that links it, or that the origin confirms', async (t) => {
  const { get, image, faults, node, registry } = await start(t);
  const blob = randomBytes(1000);
  const digest = await pushBlob(registry, 'private/app', blob);
  t.deepEqual((await send(`${node.url}/v2/private/app/blobs/${digest.toString()}`)).body, blob);
  await waitFor('the blob in the store', () => node.store.size(digest));
  t.is((await get(`blobs/${digest.toString()}`)).status, 404, 'it is here, but not of this repository');
  t.is((await send(`${node.url}/v2/other/app/manifests/${image.digest.toString()}`)).status, 404);

  const asked = faults.requests.length;
  t.is((await send(`${node.url}/v2/private/app/blobs/${digest.toString()}`)).status, 200);
  t.is(faults.requests.length, asked, 'the origin said so a moment ago');
  await faults.close();
  node.clock.now += 3_600_000;
  t.is((await send(`${node.url}/v2/private/app/blobs/${digest.toString()}`)).status, 200);
  node.clock.now += 7 * 24 * 3_600_000;
  t.is((await send(`${node.url}/v2/private/app/blobs/${digest.toString()}`)).status, 503, 'said too long ago');
});

for (const status of [401, 403]) {
  real(
    `what is kept of a repository that the origin closed with ${status} is not served by digest either, until it opens it again`,
    async (t) => {
      const { get, image, faults, node } = await start(t);
      const paths = [`manifests/${image.digest.toString()}`, layerPath(image), `blobs/${image.config.digest.toString()}`];
      const statuses = async (): Promise<number[]> => Promise.all(paths.map(async (path) => (await get(path)).status));
      await get('manifests/v1');
      t.deepEqual(await statuses(), [200, 200, 200]);
      await waitFor('the blobs in the store', () =>
        [image.config, ...image.layers.slice(0, 1)].every(({ digest }) => node.store.size(digest)),
      );
      const asked = faults.requests.length;
      t.deepEqual(await statuses(), [200, 200, 200]);
      t.is(faults.requests.length, asked, 'the origin said so a moment ago');
      const heal = faults.inject({ kind: 'status', status });
      node.clock.now += 300_001;
      t.deepEqual(await statuses(), [404, 404, 404]);
      heal();
      t.deepEqual(await statuses(), [200, 200, 200]);
    },
  );
}

real('while the origin is away, what it said about a repository holds for its time, a refusal too', async (t) => {
  const { get, image, faults, node, full } = await start(t);
  const path = `manifests/${image.digest.toString()}`;
  await get('manifests/v1');
  for (const layer of [0, 1]) await get(layerPath(image, layer));
  await get(`blobs/${image.config.digest.toString()}`);
  await waitFor('the blobs in the store', () => [image.config, ...image.layers].every(({ digest }) => node.store.size(digest)));
  const record = node.images.access(full);
  await faults.close();
  node.clock.now += 3_600_000;
  t.is((await get(path)).status, 200);
  t.deepEqual(node.images.access(full), record, 'an origin that is away grants nothing anew');
  node.images.setAccess(full, { granted: false, checkedAt: node.clock.now });
  t.is((await get(path)).status, 404);
  t.is((await get('manifests/v1')).status, 404, 'nor as a stale tag');
  node.images.setAccess(full, { granted: true, checkedAt: node.clock.now - 8 * 24 * 3_600_000 });
  const answer = await get(path);
  t.is(answer.status, 503);
  t.regex(answer.body.toString(), /said 192 h ago, which is longer than access\.staleFor/);
});

real('an index is served as it is, and each child by its digest', async (t) => {
  const { get, registry, image } = await start(t);
  const other = await pushImage(registry, REPOSITORY, 'arm');
  const index = await pushManifest(
    registry,
    REPOSITORY,
    'multi',
    {
      schemaVersion: 2,
      mediaType: MediaType.ociIndex,
      manifests: [image, other].map(({ digest, manifest }, at) => ({
        mediaType: MediaType.ociManifest,
        digest,
        size: manifest.length,
        platform: { os: 'linux', architecture: ['amd64', 'arm64'][at] },
      })),
    },
    MediaType.ociIndex,
  );
  t.deepEqual((await get('manifests/multi')).body, index.bytes);
  t.deepEqual((await get(`manifests/${other.digest.toString()}`)).body, other.manifest);
  t.deepEqual((await get(layerPath(other))).body, other.layers[0]!.bytes);
});

real('referrers are 404 where the origin has no such API, and their tag passes', async (t) => {
  const { get, image, registry } = await start(t);
  const missing = await get(`referrers/${image.digest.toString()}`);
  t.is(missing.status, 404);
  t.not(codeOf(missing), 'NAME_UNKNOWN');
  const tag = image.digest.toString().replace(':', '-');
  const { bytes } = await pushManifest(
    registry,
    REPOSITORY,
    tag,
    { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] },
    MediaType.ociIndex,
  );
  t.deepEqual((await get(`manifests/${tag}`)).body, bytes);
});

real('referrers of an origin that has the API are passed on, filtered where it does not filter', async (t) => {
  const { get, image, faults } = await start(t);
  const descriptor = (artifactType: string): object => ({
    mediaType: MediaType.ociManifest,
    digest: Digest.of(Buffer.from(artifactType)),
    size: 3,
    artifactType,
  });
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: [descriptor('application/a'), descriptor('application/b')],
  });
  faults.inject(
    { kind: 'status', status: 200, headers: { 'content-type': MediaType.ociIndex }, body: index },
    { match: ({ url }) => url.includes('/referrers/') },
  );
  const all = await get(`referrers/${image.digest.toString()}`);
  t.is(all.body.toString(), index);
  t.is(all.headers['content-type'], MediaType.ociIndex);
  t.is(all.headers['oci-filters-applied'], undefined);
  const some = await get(`referrers/${image.digest.toString()}?artifactType=application/b`);
  t.is(some.headers['oci-filters-applied'], 'artifactType');
  t.deepEqual(
    (JSON.parse(some.body.toString()) as { manifests: { artifactType: string }[] }).manifests.map(({ artifactType }) => artifactType),
    ['application/b'],
  );
});

real('referrers of an origin that is away are not said to be none', async (t) => {
  const { get, image, faults } = await start(t);
  await faults.close();
  t.is((await get(`referrers/${image.digest.toString()}`)).status, 503);
});

real('a strange namespace is refused without any request', async (t) => {
  const { get, faults } = await start(t, { aliases: () => ['docker.io'] });
  const before = faults.requests.length;
  for (const ns of ['169.254.169.254', 'evil.example', 'localhost:2375']) {
    for (const path of ['manifests/v1', 'tags/list', `blobs/${Digest.of(randomBytes(8)).toString()}`]) {
      const answer = await get(`${path}?ns=${ns}`);
      t.is(answer.status, 404);
      t.is(codeOf(answer), 'NAME_UNKNOWN');
    }
  }
  t.is(faults.requests.length, before);
  for (const ns of ['docker.io', faults.host]) t.is((await get(`manifests/v1?ns=${ns}`)).status, 200);
});

real('the endpoint of a node with a remote origin takes no pushes', async (t) => {
  const { get, faults } = await start(t);
  for (const [method, path] of [
    ['POST', 'blobs/uploads/'],
    ['PATCH', 'blobs/uploads/x'],
    ['PUT', 'manifests/v1'],
    ['DELETE', 'manifests/v1'],
    ['DELETE', `blobs/${Digest.of(randomBytes(8)).toString()}`],
  ] as const) {
    const answer = await get(path, { method, body: 'x' });
    t.is(answer.status, 405);
    t.is(codeOf(answer), 'UNSUPPORTED');
    t.regex(answer.body.toString(), /read-only/);
  }
  t.is(faults.requests.length, 0);
});

real('an excluded repository is read from the origin alone', async (t) => {
  const { get, image, faults, node } = await start(t, { isExcluded: (repository) => repository === REPOSITORY });
  node.exchange.members.set(image.digest.toString(), Buffer.from('from a member'));
  t.deepEqual((await get('manifests/v1')).body, image.manifest);
  t.is(faults.requests.filter(isManifestByDigest).length, 1);
  t.is((await get(layerPath(image))).status, 200);
});

real('a zero-byte blob and a manifest without layers are served', async (t) => {
  const { get, registry } = await start(t);
  const image = await pushImage(registry, REPOSITORY, 'empty', [Buffer.alloc(0)]);
  t.is((await get('manifests/empty')).status, 200);
  const answer = await get(layerPath(image));
  t.is(answer.status, 200);
  t.is(answer.headers['content-length'], '0');
  const none = await pushImage(registry, REPOSITORY, 'none', []);
  t.deepEqual((await get('manifests/none')).body, none.manifest);
});

test('a node that knows no origin answers the base, and says why it cannot serve', async (t) => {
  const node = await startRegistryNode(t, { origin: undefined });
  t.is((await send(`${node.url}/v2/`)).status, 200);
  const answer = await send(`${node.url}/v2/${REPOSITORY}/manifests/v1`);
  t.is(answer.status, 503);
  t.regex(answer.body.toString(), /does not know its origin yet/);
});
