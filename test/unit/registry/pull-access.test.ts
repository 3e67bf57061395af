import { randomBytes } from 'node:crypto';
import { Digest } from '../../../src/oci/digest.ts';
import { send } from '../../support/raw-http.ts';
import { pushBlob } from '../../support/registry-content.ts';
import { waitFor } from '../../support/wait-for.ts';
import { codeOf, isManifestByDigest, layerPath, real as test, REPOSITORY, start } from './node-before-origin.ts';

// What a node in front of a real registry lets be read and written, and of which repositories.

for (const status of [401, 403]) {
  test(`a repository that the origin answers with ${status} is not served, without a challenge`, async (t) => {
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

test('a blob is read only through a repository that links it, or that the origin confirms', async (t) => {
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
  test(`what is kept of a repository that the origin closed with ${status} is not served by digest either, until it opens it again`, async (t) => {
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
  });
}

test('while the origin is away, what it said about a repository holds for its time, a refusal too', async (t) => {
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

test('a strange namespace is refused without any request', async (t) => {
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

test('the endpoint of a node with a remote origin takes no pushes', async (t) => {
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

test('an excluded repository is read from the origin alone', async (t) => {
  const { get, image, faults, node } = await start(t, { isExcluded: (repository) => repository === REPOSITORY });
  node.exchange.members.set(image.digest.toString(), Buffer.from('from a member'));
  t.deepEqual((await get('manifests/v1')).body, image.manifest);
  t.is(faults.requests.filter(isManifestByDigest).length, 1);
  t.is((await get(layerPath(image))).status, 200);
});
