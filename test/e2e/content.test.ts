import test from 'ava';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { everyLayerKind, multiPlatformImage, pushLayout, smallImage } from '../support/images.ts';
import { bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { MEDIA_TYPE, OciLayout } from '../support/oci-layout.ts';
import { ask, getBlob, getManifest, pullEverything } from '../support/registry-client.ts';
import { pushBlob, pushManifest } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';
import { tempDir } from '../support/temp-dir.ts';

test('an index and each of its platforms come as they are, by tag and by digest, also from a member', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { layout, index, children } = await multiPlatformImage(t);
  const origin = await startDockerRegistry(t);
  await pushLayout(origin, layout, 'multi', 'team/multi');
  const first = await startAgent(t, { origin: origin.url });
  const second = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(first) });
  await second.waitForPeers(1);
  for (const { registry } of [first, second]) {
    const answer = await getManifest(registry, 'team/multi', 'multi');
    t.is(answer.digest, index.digest);
    t.is(answer.headers.get('content-type'), MEDIA_TYPE.index);
    for (const { digest } of [index, ...children]) {
      const byDigest = await getManifest(registry, 'team/multi', digest);
      t.is(byDigest.digest, digest);
      t.is(byDigest.headers.get('docker-content-digest'), digest);
    }
    t.true((await pullEverything(registry, 'team/multi', 'multi')) > 0);
  }
});

test('what a client accepts never changes what a digest means', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const { layout, index } = await multiPlatformImage(t);
  const origin = await startDockerRegistry(t);
  await pushLayout(origin, layout, 'multi', 'team/multi');
  const { registry } = await startAgent(t, { origin: origin.url });
  for (const accept of ['*/*', MEDIA_TYPE.index, MEDIA_TYPE.manifest, 'application/vnd.docker.distribution.manifest.v1+json', '']) {
    const answer = await getManifest(registry, 'team/multi', 'multi', { headers: { accept } });
    t.is(answer.status, 200, accept);
    t.is(answer.digest, index.digest, accept);
  }
});

test('layers of every kind come as they are: empty, tar, gzip, zstd', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const layout = await everyLayerKind(t);
  const origin = await startDockerRegistry(t);
  const { digest } = await pushLayout(origin, layout, 'layers', 'team/layers');
  const first = await startAgent(t, { origin: origin.url });
  const second = await startAgent(t, { origin: origin.url, bootstrap: bootstrapOf(first) });
  await second.waitForPeers(1);
  const { blobs } = await layout.closure(await layout.tagged('layers'));
  for (const { registry } of [first, second]) {
    t.is((await getManifest(registry, 'team/layers', 'layers')).digest, digest);
    for (const blob of blobs) {
      const answer = await getBlob(registry, 'team/layers', blob.digest);
      t.is(answer.digest, blob.digest);
      t.is(answer.headers.get('content-length'), String(blob.size));
      t.is(answer.headers.get('content-encoding'), null);
      t.is(answer.headers.get('docker-content-digest'), blob.digest);
      t.is(answer.headers.get('etag'), `"${blob.digest}"`);
    }
  }
});

test('a blob comes in the ranges that clients ask for, from a node that has it and from one that has not', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  const bytes = randomBytes(3_000_000);
  const layout = await OciLayout.create(join(tempDir(t), 'layout'));
  const descriptor = await layout.addBlob(bytes, MEDIA_TYPE.none);
  await layout.addImage({ layers: [{ descriptor, diffId: descriptor.digest }], tag: 'v1' });
  await pushLayout(origin, layout, 'v1', 'team/ranges');
  const ranges: [string, number, number][] = [
    ['bytes=0-0', 0, 1],
    ['bytes=1000000-1999999', 1_000_000, 2_000_000],
    ['bytes=2999990-', 2_999_990, 3_000_000],
    ['bytes=-10', 2_999_990, 3_000_000],
    ['bytes=0-99999999', 0, 3_000_000],
  ];
  for (const [range, start, end] of ranges) {
    // A new node each time: nothing of the blob is there.
    const agent = await startAgent(t, { origin: origin.url });
    await getManifest(agent.registry, 'team/ranges', 'v1');
    for (const state of ['cold', 'warm']) {
      const answer = await getBlob(agent.registry, 'team/ranges', descriptor.digest, { headers: { range } });
      t.is(answer.status, 206, `${range} ${state}`);
      t.is(answer.headers.get('content-range'), `bytes ${start}-${end - 1}/3000000`);
      t.true(answer.bytes.equals(bytes.subarray(start, end)), `${range} ${state}`);
    }
    const beyond = await getBlob(agent.registry, 'team/ranges', descriptor.digest, { headers: { range: 'bytes=3000000-' } });
    t.is(beyond.status, 416);
    t.is(beyond.headers.get('content-range'), 'bytes */3000000');
    await agent.stop();
  }
});

test('HEAD says what GET says', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const layout = await smallImage(t);
  const origin = await startDockerRegistry(t);
  const { digest } = await pushLayout(origin, layout, 'v1', 'team/app');
  const { registry } = await startAgent(t, { origin: origin.url });
  const { blobs } = await layout.closure(await layout.tagged('v1'));
  for (const path of ['manifests/v1', `manifests/${digest}`, ...blobs.map((blob) => `blobs/${blob.digest}`)]) {
    const head = await ask(registry, `/v2/team/app/${path}`, { method: 'HEAD' });
    const get = await ask(registry, `/v2/team/app/${path}`);
    t.is(head.status, 200, path);
    t.is(head.bytes.byteLength, 0);
    for (const name of ['content-length', 'content-type', 'docker-content-digest', 'etag'])
      t.is(head.headers.get(name), get.headers.get(name), `${name} of ${path}`);
    t.is(get.headers.get('content-length'), String(get.bytes.byteLength));
  }
});

test('a signature is found by the fallback tag where the origin has no referrers API', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  const layout = await smallImage(t);
  const subject = await pushLayout(origin, layout, 'v1', 'team/signed');
  const signature = Buffer.from('signature of team/signed:v1');
  const empty = Buffer.from('{}');
  const config = { mediaType: MEDIA_TYPE.empty, digest: String(await pushBlob(origin, 'team/signed', empty)), size: empty.length };
  const layer = {
    mediaType: 'application/vnd.example.signature',
    digest: String(await pushBlob(origin, 'team/signed', signature)),
    size: signature.length,
  };
  const artifact = await pushManifest(
    origin,
    'team/signed',
    `sha256-${subject.digest.slice(7)}.sig`,
    { schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers: [layer] },
    MEDIA_TYPE.manifest,
  );

  const { registry } = await startAgent(t, { origin: origin.url });
  // distribution 2.8 answers 404, and so must the node: an empty list would say that there is no signature.
  t.is((await ask(registry, `/v2/team/signed/referrers/${subject.digest}`)).status, 404);
  const byTag = await getManifest(registry, 'team/signed', `sha256-${subject.digest.slice(7)}.sig`);
  t.is(byTag.digest, artifact.digest.toString());
  t.is((await getBlob(registry, 'team/signed', layer.digest)).bytes.toString(), signature.toString());
});

test("what is not there, or is no digest, is refused in the registry's words", async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const origin = await startDockerRegistry(t);
  await pushLayout(origin, await smallImage(t), 'v1', 'team/app');
  const { registry } = await startAgent(t, { origin: origin.url });
  const nowhere = `sha256:${'0'.repeat(64)}`;
  const table: [string, number[], string][] = [
    ['/v2/team/app/manifests/v2', [404], 'MANIFEST_UNKNOWN'],
    ['/v2/team/none/manifests/v1', [404], 'MANIFEST_UNKNOWN|NAME_UNKNOWN'],
    [`/v2/team/app/manifests/${nowhere}`, [404], 'MANIFEST_UNKNOWN'],
    [`/v2/team/app/blobs/${nowhere}`, [404], 'BLOB_UNKNOWN'],
    ['/v2/team/app/manifests/sha256:12', [400, 404], 'DIGEST_INVALID|MANIFEST_UNKNOWN'],
    ['/v2/team/app/blobs/sha256:12', [400, 404], 'DIGEST_INVALID|BLOB_UNKNOWN'],
    ['/v2/Team/App/manifests/v1', [400, 404], 'NAME_INVALID|NAME_UNKNOWN'],
    ['/v2/team/app/manifests/v1?ns=169.254.169.254', [400, 403, 404], '.*'],
  ];
  for (const [path, statuses, code] of table) {
    const answer = await ask(registry, path);
    t.true(statuses.includes(answer.status), `${path}: ${answer.status}`);
    const { errors } = JSON.parse(answer.bytes.toString()) as { errors: { code: string }[] };
    t.regex(errors[0]!.code, new RegExp(`^(${code})$`), path);
  }
  t.false(origin.requests().some(({ url }) => url.includes('169.254')));
});
