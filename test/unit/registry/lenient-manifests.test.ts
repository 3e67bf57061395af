import test from 'ava';
import { randomBytes } from 'node:crypto';
import { Digest } from '../../../src/oci/digest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { send } from '../../support/raw-http.ts';
import { pushImage, pushManifest } from '../../support/registry-content.ts';
import { startRegistryNode } from '../../support/registry-node.ts';
import { requireTool } from '../../support/require-tool.ts';
import { startOrigin } from './origin-behind-faults.ts';

// What a real registry (distribution 2.8) stores, a node passes on as it is.

const REPOSITORY = 'team/app';
const OTHER_TYPE = 'application/vnd.example.thing+json';

test('manifests that the specifications do not allow, and registries store, come through byte by byte under their types', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { registry, faults, origin } = await startOrigin(t);
  const node = await startRegistryNode(t, { origin });
  const base = await pushImage(registry, REPOSITORY, 'base', [randomBytes(1000)]);
  const image = JSON.parse(base.manifest.toString()) as { layers: object[] };
  const [layer] = image.layers;
  const child = { mediaType: MediaType.ociManifest, digest: base.digest, size: base.manifest.length };
  const stored: readonly [string, object, string][] = [
    ['annotations-null', { ...image, annotations: null }, MediaType.ociManifest],
    ['artifact-null', { ...image, artifactType: null, subject: null }, MediaType.ociManifest],
    ['urls-null', { ...image, layers: [{ ...layer, urls: null }] }, MediaType.ociManifest],
    ['layers-null', { ...image, layers: null }, MediaType.ociManifest],
    ['type-absent', { ...image, mediaType: undefined }, MediaType.ociManifest],
    ['type-empty', { ...image, mediaType: '' }, MediaType.ociManifest],
    ['platform-empty', { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [{ ...child, platform: {} }] }, MediaType.ociIndex],
  ];
  for (const [tag, document, type] of stored) {
    const { digest, bytes } = await pushManifest(registry, REPOSITORY, tag, document, type);
    for (const reference of [tag, digest.toString()]) {
      const answer = await send(`${node.url}/v2/${REPOSITORY}/manifests/${reference}`);
      t.is(answer.status, 200, `${tag}: ${answer.body.toString()}`);
      t.deepEqual(answer.body, bytes, tag);
      t.is(answer.headers['content-type'], type, tag);
    }
  }

  // other registries store more than this one: it stands for them with answers of the proxy's own
  const answers: readonly [string, Buffer, string, number][] = [
    [
      'layer-untyped',
      Buffer.from(
        JSON.stringify({
          ...image,
          layers: [
            { ...layer, mediaType: undefined },
            { ...layer, mediaType: `${MediaType.ociLayer};a=b` },
          ],
        }),
      ),
      MediaType.ociManifest,
      200,
    ],
    ['other-type', base.manifest, MediaType.dockerManifest, 200],
    ['no-manifest', Buffer.from('{"hello":"world"}'), OTHER_TYPE, 200],
    ['no-json', Buffer.from('hello'), OTHER_TYPE, 200],
    ['path', Buffer.from(JSON.stringify({ ...image, layers: [{ ...layer, digest: '../../etc/passwd' }] })), MediaType.ociManifest, 400],
    ['deep', Buffer.from(`${'['.repeat(100)}${']'.repeat(100)}`), MediaType.ociManifest, 400],
    ['large', Buffer.alloc(5_000_000, ' '), MediaType.ociManifest, 413],
  ];
  for (const [tag, body, type, status] of answers) {
    const digest = Digest.of(body).toString();
    faults.inject(
      { kind: 'status', status: 200, headers: { 'content-type': type, 'docker-content-digest': digest }, body },
      { match: ({ url }) => url.endsWith(`/${tag}`) || url.endsWith(digest) },
    );
    const answer = await send(`${node.url}/v2/${REPOSITORY}/manifests/${tag}`);
    t.is(answer.status, status, `${tag}: ${answer.body.toString()}`);
    if (status !== 200) continue;
    t.deepEqual(answer.body, body, tag);
    t.is(answer.headers['content-type'], type, tag);
    t.deepEqual((await send(`${node.url}/v2/${REPOSITORY}/manifests/${digest}`)).body, body, `${tag} again, as it is kept`);
  }
});

test('a page of a proxy in between is no tag, and a manifest in an encoding is called that', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { registry, faults, origin } = await startOrigin(t);
  const node = await startRegistryNode(t, { origin });
  await pushImage(registry, REPOSITORY, 'v1', [randomBytes(1000)]);
  const heal = faults.inject({ kind: 'status', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' });
  const page = await send(`${node.url}/v2/${REPOSITORY}/manifests/v1`);
  t.is(page.status, 503);
  t.regex(page.body.toString(), /something other than the tag/);
  heal();
  node.clock.now += 60_000;
  faults.inject(
    { kind: 'headers', set: { 'content-encoding': 'gzip' } },
    { match: ({ url, method }) => method === 'GET' && url.includes('/manifests/') },
  );
  const encoded = await send(`${node.url}/v2/${REPOSITORY}/manifests/v1`);
  t.is(encoded.status, 503);
  t.regex(encoded.body.toString(), /encoded as gzip, which was not asked for/);
});
