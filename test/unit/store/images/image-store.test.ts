import test, { type ExecutionContext } from 'ava';
import { Digest } from '../../../../src/oci/digest.ts';
import type { RawManifest } from '../../../../src/oci/manifest.ts';
import { MediaType } from '../../../../src/oci/media-type.ts';
import type { ImageStore } from '../../../../src/store/images/image-store.ts';
import { openStore, type Store } from '../../../../src/store/store.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { image, index } from '../sample-image.ts';

const REPOSITORY = 'registry.example:5000/team/app';
const OTHER = 'registry.example:5000/team/other';

async function images(t: ExecutionContext): Promise<ImageStore & { store: Store }> {
  const store = await openStore(tempDir(t));
  t.teardown(() => store.close());
  return Object.assign(store.images, { store });
}

test('a manifest is found in the repository that it was put into, byte for byte', async (t) => {
  const store = await images(t);
  const { raw } = image('a');
  await store.putManifest(REPOSITORY, raw);
  await store.putManifest(REPOSITORY, raw);
  t.deepEqual(await store.manifest(REPOSITORY, raw.digest), raw);
  t.is(await store.manifest(OTHER, raw.digest), undefined);
  t.deepEqual(await store.anyManifest(raw.digest), raw);
  t.deepEqual(store.repositories(), [REPOSITORY]);
});

test('a manifest links its config and layers to its repository alone', async (t) => {
  const store = await images(t);
  const { raw, config, layers } = image('a');
  await store.putManifest(REPOSITORY, raw);
  for (const digest of [raw.digest, config, ...layers]) {
    t.true(store.isLinked(REPOSITORY, digest));
    t.false(store.isLinked(OTHER, digest));
    t.deepEqual(store.repositoriesOf(digest), [REPOSITORY]);
  }
  t.false(store.isLinked(REPOSITORY, Digest.of(Buffer.from('else'))));
});

test('an index links its children, but not what they name', async (t) => {
  const store = await images(t);
  const child = image('a');
  const parent = index([child.raw]);
  await store.putManifest(OTHER, child.raw);
  await store.putManifest(REPOSITORY, parent);
  t.deepEqual(await store.manifest(REPOSITORY, child.raw.digest), child.raw);
  t.false(store.isLinked(REPOSITORY, child.config));
});

test('a blob that was pushed is linked until it is unlinked', async (t) => {
  const store = await images(t);
  const blob = Digest.of(Buffer.from('pushed'));
  store.link(REPOSITORY, blob);
  store.link(REPOSITORY, blob);
  t.true(store.isLinked(REPOSITORY, blob));
  t.true(store.unlink(REPOSITORY, blob));
  t.false(store.unlink(REPOSITORY, blob));
  t.false(store.isLinked(REPOSITORY, blob));
});

test('deleting a manifest takes its links and tags out of that repository', async (t) => {
  const store = await images(t);
  const { raw, config } = image('a');
  for (const repository of [REPOSITORY, OTHER]) {
    await store.putManifest(repository, raw);
    store.setTag(repository, 'v1', raw.digest, 1);
  }
  t.true(await store.deleteManifest(REPOSITORY, raw.digest));
  t.false(await store.deleteManifest(REPOSITORY, raw.digest));
  t.is(await store.manifest(REPOSITORY, raw.digest), undefined);
  t.false(store.isLinked(REPOSITORY, config));
  t.is(store.tag(REPOSITORY, 'v1'), undefined);
  t.true(store.isLinked(OTHER, config));
  t.deepEqual(store.tags(OTHER), ['v1']);
});

test('tags keep their age and are listed in order', async (t) => {
  const store = await images(t);
  const { digest } = image('a').raw;
  for (const tag of ['v10', 'latest', 'v2']) store.setTag(REPOSITORY, tag, digest, 5);
  store.setTag(REPOSITORY, 'v2', digest, 7);
  t.deepEqual(store.tag(REPOSITORY, 'v2'), { digest, checkedAt: 7 });
  t.deepEqual(store.tags(REPOSITORY), ['latest', 'v10', 'v2']);
  t.true(store.deleteTag(REPOSITORY, 'latest'));
  t.false(store.deleteTag(REPOSITORY, 'latest'));
  t.is(store.tag(REPOSITORY, 'latest'), undefined);
});

test('referrers are the manifests of the repository with that subject', async (t) => {
  const store = await images(t);
  const { raw } = image('a');
  const signature = image('signature', { subject: raw });
  const elsewhere = image('sbom', { subject: raw });
  await store.putManifest(REPOSITORY, signature.raw);
  await store.putManifest(OTHER, elsewhere.raw);
  t.deepEqual(await store.referrers(REPOSITORY, raw.digest), [signature.raw]);
  t.deepEqual(await store.referrers(REPOSITORY, signature.raw.digest), []);
});

test('a manifest that must not be passed on, or has another digest, is refused', async (t) => {
  const store = await images(t);
  const { raw } = image('a');
  const other: RawManifest = { ...raw, digest: Digest.of(Buffer.from('other')) };
  await t.throwsAsync(store.putManifest(REPOSITORY, other), { code: 'digest-mismatch' });
  const bytes = Buffer.from('{"schemaVersion":1}');
  await t.throwsAsync(store.putManifest(REPOSITORY, { digest: Digest.of(bytes), mediaType: MediaType.ociManifest, bytes }), {
    code: 'manifest-invalid',
  });
  t.deepEqual(store.repositories(), []);
});

test('a manifest whose blob goes away is forgotten, its tag is not', async (t) => {
  const store = await images(t);
  const { raw, config } = image('a');
  await store.putManifest(REPOSITORY, raw);
  store.setTag(REPOSITORY, 'v1', raw.digest, 1);
  await store.store.blobs.delete(raw.digest);
  t.is(await store.anyManifest(raw.digest), undefined);
  t.false(store.isLinked(REPOSITORY, config));
  t.truthy(store.tag(REPOSITORY, 'v1'));
});

test('pins have one form, and are refused when they are no reference', async (t) => {
  const store = await images(t);
  store.pin('alpine');
  store.pin('docker.io/library/alpine:latest');
  t.deepEqual(store.pins(), ['docker.io/library/alpine:latest']);
  t.throws(() => store.pin('Not A Reference'), { code: 'reference-invalid' });
  t.true(store.unpin('alpine:latest'));
  t.false(store.unpin('alpine:latest'));
});

test('manifests, links, tags and pins outlive the process', async (t) => {
  const folder = tempDir(t);
  const { raw, config } = image('a');
  const first = await openStore(folder);
  await first.images.putManifest(REPOSITORY, raw);
  first.images.setTag(REPOSITORY, 'v1', raw.digest, 3);
  first.images.pin(`${REPOSITORY}:v1`);
  await first.images.flush();
  await first.close();
  const second = await openStore(folder);
  t.teardown(() => second.close());
  t.deepEqual(second.repairs, []);
  t.deepEqual(await second.images.manifest(REPOSITORY, raw.digest), raw);
  t.true(second.images.isLinked(REPOSITORY, config));
  t.deepEqual(second.images.tag(REPOSITORY, 'v1'), { digest: raw.digest, checkedAt: 3 });
  t.deepEqual(second.images.pins(), [`${REPOSITORY}:v1`]);
});

test('what a registry said about access outlasts a restart', async (t) => {
  const folder = tempDir(t);
  const first = await openStore(folder);
  t.is(first.images.access(REPOSITORY), undefined);
  first.images.setAccess(REPOSITORY, { granted: true, checkedAt: 1 });
  first.images.setAccess(OTHER, { granted: true, checkedAt: 2 });
  first.images.setAccess(OTHER, { granted: false, checkedAt: 3 });
  await first.close();
  const second = await openStore(folder);
  t.teardown(() => second.close());
  t.deepEqual(second.images.access(REPOSITORY), { granted: true, checkedAt: 1 });
  t.deepEqual(second.images.access(OTHER), { granted: false, checkedAt: 3 });
});
