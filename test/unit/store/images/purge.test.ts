import test, { type ExecutionContext } from 'ava';
import { rawManifest, type RawManifest } from '../../../../src/oci/manifest.ts';
import { Grade } from '../../../../src/store/blob-store.ts';
import type { PurgeResult } from '../../../../src/store/images/purge.ts';
import { openStore, type Store } from '../../../../src/store/store.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { chunks } from '../conformance.ts';
import { image, index, type SampleImage } from '../sample-image.ts';

const APP = 'registry.example/team/app';
const OTHER = 'registry.example/team/other';

async function open(t: ExecutionContext): Promise<Store> {
  const store = await openStore(tempDir(t));
  t.teardown(() => store.close());
  return store;
}

async function add(store: Store, repository: string, sample: SampleImage, tag?: string): Promise<void> {
  for (const blob of sample.blobs) await store.blobs.write(chunks(blob));
  await addManifest(store, repository, sample.raw, tag);
}

async function addManifest(store: Store, repository: string, raw: RawManifest, tag?: string): Promise<void> {
  await store.images.putManifest(repository, raw);
  if (tag !== undefined) store.images.setTag(repository, tag, raw.digest, 1);
}

function removed({ removed }: PurgeResult): string[] {
  return removed.map(({ digest }) => digest.toString()).sort();
}

function all(...samples: readonly SampleImage[]): string[] {
  return samples.flatMap(({ raw, config, layers }) => [raw.digest, config, ...layers].map(String)).sort();
}

function held(store: Store): string[] {
  return [...store.blobs.list()].map(({ digest }) => digest.toString()).sort();
}

test('an image goes with its manifest, config, layers, tags and pins', async (t) => {
  const store = await open(t);
  const leaked = image('leaked');
  const other = image('other');
  await add(store, APP, leaked, 'v1');
  store.images.setTag(APP, 'latest', leaked.raw.digest, 1);
  store.images.pin(`${APP}:v1`);
  await add(store, APP, other, 'v2');
  const result = await store.purge({ repository: APP, digest: leaked.raw.digest });
  t.deepEqual(removed(result), all(leaked));
  t.deepEqual(result.tags, [`${APP}:latest`, `${APP}:v1`]);
  t.deepEqual(result.unpinned, [`${APP}:v1`]);
  t.deepEqual(held(store), all(other));
  t.deepEqual(store.images.tags(APP), ['v2']);
  t.deepEqual(store.images.pins(), []);
});

test('a dry run says the same and changes nothing', async (t) => {
  const store = await open(t);
  const leaked = image('leaked');
  await add(store, APP, leaked, 'v1');
  const said = await store.purge({ repository: APP, digest: leaked.raw.digest, dryRun: true });
  t.deepEqual(held(store), all(leaked));
  t.deepEqual(store.images.tags(APP), ['v1']);
  t.deepEqual(removed(await store.purge({ repository: APP, digest: leaked.raw.digest })), removed(said));
});

test('what another image needs stays: a shared layer, the same image in another repository, a child of another index', async (t) => {
  const store = await open(t);
  const leaked = image('leaked');
  await add(store, APP, leaked, 'v1');
  const sharing = image('sharing');
  const document = JSON.parse(sharing.raw.bytes.toString()) as { layers: unknown[] };
  document.layers.push((JSON.parse(leaked.raw.bytes.toString()) as { layers: unknown[] }).layers[0]);
  await addManifest(store, OTHER, rawManifest(Buffer.from(JSON.stringify(document))).raw, 'v1');
  const result = await store.purge({ repository: APP, digest: leaked.raw.digest });
  t.deepEqual(result.kept.map(String), [leaked.layers[0]!.toString()]);
  t.not(store.blobs.size(leaked.layers[0]!), undefined);
  t.is(store.blobs.size(leaked.layers[1]!), undefined);

  const copied = image('copied');
  await add(store, APP, copied, 'v1');
  await add(store, OTHER, copied, 'copy');
  t.deepEqual(removed(await store.purge({ repository: APP, digest: copied.raw.digest })), []);
  t.is(await store.images.manifest(APP, copied.raw.digest), undefined);
  t.deepEqual(await store.images.manifest(OTHER, copied.raw.digest), copied.raw);

  const child = image('child');
  await add(store, APP, child, 'child');
  await addManifest(store, APP, index([child.raw]), 'multi');
  t.deepEqual(removed(await store.purge({ repository: APP, digest: child.raw.digest })), []);
  t.deepEqual(store.images.tags(APP), ['multi']);
});

test('an index goes with its children, but for one with a tag of its own', async (t) => {
  const store = await open(t);
  const [first, second] = [image('first'), image('second')];
  await add(store, APP, first);
  await add(store, APP, second, 'second');
  const parent = index([first.raw, second.raw]);
  await addManifest(store, APP, parent, 'multi');
  const result = await store.purge({ repository: APP, digest: parent.digest });
  t.deepEqual(removed(result), [...all(first), parent.digest.toString()].sort());
  t.deepEqual(held(store), all(second));
  t.deepEqual(await store.images.manifest(APP, second.raw.digest), second.raw);
});

test('what refers to an image goes with it', async (t) => {
  const store = await open(t);
  const leaked = image('leaked');
  const signature = image('signature', { subject: leaked.raw });
  await add(store, APP, leaked, 'v1');
  await add(store, APP, signature);
  await store.purge({ repository: APP, digest: leaked.raw.digest });
  t.deepEqual(held(store), []);
});

test('an image whose manifest is lost goes by the list of what it is made of, unfinished blobs too', async (t) => {
  const store = await open(t);
  const leaked = image('leaked');
  const [config, layer] = leaked.blobs;
  await store.blobs.write(chunks(config!));
  const partial = await store.blobs.openPartial(leaked.layers[0]!, layer!.length, 100);
  await partial.write(0, layer!.subarray(0, 100));
  partial.complete(0, Grade.received);
  await partial.close();
  const result = await store.purge({ repository: APP, digest: leaked.raw.digest, blobs: [leaked.config, ...leaked.layers] });
  t.is(result.removed.length, 2);
  t.deepEqual(held(store), []);
  t.deepEqual([...store.blobs.partials()], []);
});

test('what an origin holds goes too, and a second purge finds nothing', async (t) => {
  const store = await open(t);
  const leaked = image('leaked');
  for (const blob of leaked.blobs) await store.blobs.write(chunks(blob), { origin: true });
  await addManifest(store, APP, leaked.raw, 'v1');
  t.is((await store.purge({ repository: APP, digest: leaked.raw.digest })).removed.length, 4);
  const again = await store.purge({ repository: APP, digest: leaked.raw.digest });
  t.deepEqual([again.removed, again.kept, again.tags], [[], [], []]);
});
