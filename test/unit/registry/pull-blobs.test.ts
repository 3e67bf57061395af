import { once as eventOf } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { pushImage } from '../../support/registry-content.ts';
import { waitFor } from '../../support/wait-for.ts';
import { isBlobRead, layerPath, real as test, REPOSITORY, start } from './node-before-origin.ts';

// Blobs by way of a node in front of a real registry, behind a proxy that fails as it is told.

test('an image comes whole, byte by byte, and HEAD says the same as GET', async (t) => {
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
  test(`ranges of a blob in the ${where} are answered as asked`, async (t) => {
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

test('parallel ranges put together are the blob, from one fetch', async (t) => {
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

test('fifty clients of one cold blob are one fetch from the origin', async (t) => {
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

test('a pull that is warm asks the origin for no manifest and no blob', async (t) => {
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

test('a blob that is cut at the origin is cut at the client, who comes back for the rest', async (t) => {
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

test('a zero-byte blob and a manifest without layers are served', async (t) => {
  const { get, registry } = await start(t);
  const image = await pushImage(registry, REPOSITORY, 'empty', [Buffer.alloc(0)]);
  t.is((await get('manifests/empty')).status, 200);
  const answer = await get(layerPath(image));
  t.is(answer.status, 200);
  t.is(answer.headers['content-length'], '0');
  const none = await pushImage(registry, REPOSITORY, 'none', []);
  t.deepEqual((await get('manifests/none')).body, none.manifest);
});
