import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { Digest } from '../../../src/oci/digest.ts';
import type { BlobChange } from '../../../src/store/blob-store.ts';
import type { VerifyResult } from '../../../src/store/care/verify-blobs.ts';
import { openStore } from '../../../src/store/store.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { chunks, fill, sample } from './conformance.ts';
import { blobPath, open, putImage, REPOSITORY } from './sample-store.ts';

test('verify finds flipped bits and missing files, moves them away and tells', async (t) => {
  const folder = tempDir(t);
  const store = await open(t, folder);
  const good = sample(300_000);
  const flipped = sample(400_000);
  const short = sample(500_000);
  const missing = sample(600_000);
  for (const { bytes } of [good, flipped, short, missing]) await store.blobs.write(chunks(bytes));
  const bytes = Buffer.from(flipped.bytes);
  bytes[399_999]! ^= 1;
  writeFileSync(blobPath(folder, flipped.digest), bytes);
  truncateSync(blobPath(folder, short.digest), 100);
  rmSync(blobPath(folder, missing.digest));
  const changes: BlobChange[] = [];
  store.blobs.onChange((change) => changes.push(change));

  const results: VerifyResult[] = [];
  for await (const result of store.verify()) results.push(result);
  t.deepEqual(
    new Map(results.map(({ digest, state }) => [digest.toString(), state])),
    new Map([
      [good.digest.toString(), 'ok'],
      [flipped.digest.toString(), 'corrupt'],
      [short.digest.toString(), 'corrupt'],
      [missing.digest.toString(), 'missing'],
    ]),
  );
  t.deepEqual(
    changes.map(({ kind }) => kind),
    ['removed', 'removed', 'removed'],
  );
  t.deepEqual([...store.blobs.list()], [{ digest: good.digest, size: 300_000 }]);
  t.deepEqual(readdirSync(join(folder, 'quarantine')).sort(), [flipped, short].map(({ digest }) => `sha256-${digest.hex}`).sort());
});

test('verify can be aborted', async (t) => {
  const store = await open(t, tempDir(t));
  await store.blobs.write(chunks(sample(1000).bytes));
  const results = store.verify({ signal: AbortSignal.abort() })[Symbol.asyncIterator]();
  await t.throwsAsync(results.next(), { code: 'aborted' });
});

test('verify gives a blob that was taken in its checkpoints', async (t) => {
  const folder = tempDir(t);
  await (await openStore(folder)).close();
  const { bytes, digest } = sample(300_000);
  writeFileSync(blobPath(folder, digest), bytes);
  const store = await open(t, folder);
  t.is(await store.blobs.checkpoints(digest), undefined);
  for await (const { state } of store.verify()) t.is(state, 'ok');
  t.is((await store.blobs.checkpoints(digest))!.digests.length, 5);
});

test('over the size limit the least recently used blobs go, and nothing that is in use, pinned or held as origin', async (t) => {
  let now = 1000;
  const store = await open(t, tempDir(t), { maxBytes: 1_000_000, reserveBytes: 0, now: () => now++ });
  const pinned = await putImage(store, REPOSITORY, 'pinned', 'pinned', { layerLength: 100_000 });
  store.images.pin(`${REPOSITORY}:pinned`);
  const write = async (size: number, origin = false): Promise<Digest> =>
    (await store.blobs.write(chunks(sample(size).bytes), { origin })).digest;
  const origin = await write(100_001, true);
  const used = await write(100_002);
  const old = await write(100_003);
  const young = await write(100_004);
  const opened = await write(100_005);
  const reader = await store.blobs.open(opened);
  await (await store.blobs.open(used)).close();
  const partial = await store.blobs.openPartial(sample(100_006).digest, 100_006, 65_536);

  const removed: string[] = [];
  store.blobs.onChange(({ kind, digest }) => kind === 'removed' && removed.push(digest.toString()));
  await write(295_000);
  t.deepEqual(removed, [old.toString()]);
  await write(190_000);
  t.deepEqual(removed, [old.toString(), young.toString(), used.toString()]);
  await t.throwsAsync(store.blobs.write(chunks(sample(700_000).bytes), { expectedSize: 700_000 }), { code: 'disk-full' });
  for (const digest of [origin, opened, pinned.raw.digest, pinned.config, ...pinned.layers])
    t.not(store.blobs.size(digest), undefined, digest.toString());
  t.true(store.stats().bytes <= 1_000_000);
  await reader.close();
  await partial.close();
});

test('gc drops idle partial blobs first, then what is old, and says the same when it is only asked', async (t) => {
  let now = 0;
  const store = await open(t, tempDir(t), { now: () => now });
  const left = sample(200_000);
  const partial = await store.blobs.openPartial(left.digest, 200_000, 100_000);
  await fill(partial, left.bytes, 0);
  await partial.close();
  const kept = await store.blobs.openPartial(sample(200_001).digest, 200_001, 100_000);
  const { digest: old } = await store.blobs.write(chunks(sample(100_000).bytes));
  now = 10_000;
  const { digest: young } = await store.blobs.write(chunks(sample(100_001).bytes));

  t.deepEqual((await store.gc()).removed, []);
  const options = { partialIdleMs: 5000, maxAgeMs: 5000 };
  const asked = await store.gc({ ...options, dryRun: true });
  t.not(store.blobs.size(old), undefined);
  const report = await store.gc(options);
  t.deepEqual(report, asked);
  t.deepEqual(report.removed.map(({ digest, size, kind }) => `${kind} ${size} ${digest.toString()}`).sort(), [
    `blob 100000 ${old.toString()}`,
    `partial 100000 ${left.digest.toString()}`,
  ]);
  t.is(report.bytes, 200_000);
  t.not(store.blobs.size(young), undefined);
  t.deepEqual(
    [...store.blobs.partials()].map(({ size }) => size),
    [200_001],
  );
  await kept.close();
});

test('what an origin holds becomes ordinary when no manifest names it any more', async (t) => {
  let now = 0;
  const store = await open(t, tempDir(t), { now: () => now });
  const { raw, config } = await putImage(store, REPOSITORY, 'v1', 'a', { origin: true });
  now = 48 * 3600_000;
  t.deepEqual((await store.gc({ targetBytes: 0 })).removed, []);
  await store.images.deleteManifest(REPOSITORY, raw.digest);
  t.is((await store.gc({ targetBytes: 0 })).removed.length, 4);
  t.is(store.blobs.size(config), undefined);
});
