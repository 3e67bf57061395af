import { Digest } from '../../../src/oci/digest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { pushImage, pushIndex, pushManifest } from '../../support/registry-content.ts';
import { codeOf, isManifestByDigest, isTagRequest, layerPath, real as test, REPOSITORY, start } from './node-before-origin.ts';

// Tags, manifests and referrers by way of a node in front of a real registry, behind a proxy that fails as it is told.

test('Accept does not change what a tag means', async (t) => {
  const { get, image, registry } = await start(t);
  const index = await pushIndex(registry, REPOSITORY, 'v2', image);
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

test('a tag that moved is followed when its time is over', async (t) => {
  const { get, image, registry, node } = await start(t);
  t.is((await get('manifests/v1')).headers['docker-content-digest'], image.digest.toString());
  const next = await pushImage(registry, REPOSITORY, 'v1');
  t.is((await get('manifests/v1')).headers['docker-content-digest'], image.digest.toString());
  node.clock.now += 30_001;
  const answer = await get('manifests/v1');
  t.is(answer.headers['docker-content-digest'], next.digest.toString());
  t.is(answer.headers['warning'], undefined);
});

test('many who ask for a tag at once are one request to the origin', async (t) => {
  const { get, faults } = await start(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => get('manifests/v1', { method: 'HEAD' })));
  t.true(answers.every(({ status }) => status === 200));
  t.is(faults.requests.filter(isTagRequest).length, 1);
  t.is(faults.requests.filter(isManifestByDigest).length, 1);
});

test('a tag that the origin deleted is gone, and is not remembered when the origin goes away', async (t) => {
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

test('a manifest comes from the members where they have it', async (t) => {
  const { get, image, faults, node } = await start(t);
  node.exchange.members.set(image.digest.toString(), image.manifest);
  t.deepEqual((await get('manifests/v1')).body, image.manifest);
  t.is(faults.requests.filter(isManifestByDigest).length, 0);
});

test('a manifest that is corrupt at the origin is not served', async (t) => {
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

test('an index is served as it is, and each child by its digest', async (t) => {
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

test('referrers are 404 where the origin has no such API, and their tag passes', async (t) => {
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

test('referrers of an origin that has the API are passed on, filtered where it does not filter', async (t) => {
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

test('referrers of an origin that is away are not said to be none', async (t) => {
  const { get, image, faults } = await start(t);
  await faults.close();
  t.is((await get(`referrers/${image.digest.toString()}`)).status, 503);
});
