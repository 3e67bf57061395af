import test, { type ExecutionContext } from 'ava';
import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ContentStoreBlobs } from '../../../src/containerd/content-store-blobs.ts';
import { VerifiedFiles } from '../../../src/containerd/verified-files.ts';
import { createLogger } from '../../../src/log.ts';
import { LayeredBlobStore } from '../../../src/store/blobs/layered-blob-store.ts';
import { openStore } from '../../../src/store/store.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { blobStoreConformance, chunks, readAll, sample } from '../store/conformance.ts';
import { readableBlobsConformance, type Filled } from '../store/readable-conformance.ts';

interface World extends Filled {
  readonly blobs: ContentStoreBlobs;
  readonly close: () => Promise<void>;
  readonly folder: string;
  readonly warnings: string[];
}

function world(t: ExecutionContext, folder = tempDir(t)): World {
  mkdirSync(join(folder, 'sha256'), { recursive: true });
  const warnings: string[] = [];
  const verified = VerifiedFiles.open(join(folder, 'verified.sqlite'));
  const log = createLogger({ level: 'warn', format: 'text', write: (line) => void warnings.push(line) });
  const blobs = new ContentStoreBlobs({ blobs: folder, verified, log });
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await blobs.close();
    verified.close();
  };
  t.teardown(close);
  return {
    blobs,
    close,
    folder,
    warnings,
    add: async (bytes, digest) => {
      writeFileSync(join(folder, 'ingest'), bytes);
      renameSync(join(folder, 'ingest'), blobs.path(digest));
      blobs.add(digest, bytes.length);
    },
    remove: async (digest) => {
      rmSync(blobs.path(digest));
      blobs.remove(digest);
    },
  };
}

readableBlobsConformance(test, 'content store', async (t) => world(t));

blobStoreConformance(test, 'own store over an empty content store', async (t) => {
  const store = await openStore(tempDir(t));
  t.teardown(() => store.close());
  return new LayeredBlobStore(store.blobs, world(t).blobs);
});

readableBlobsConformance(test, 'content store under an own store', async (t) => {
  const store = await openStore(tempDir(t));
  t.teardown(() => store.close());
  const { blobs, add, remove } = world(t);
  return { blobs: new LayeredBlobStore(store.blobs, blobs), add, remove };
});

test('bytes that are not what their name says are never given away, and no longer offered', async (t) => {
  const { blobs, folder, warnings } = world(t);
  const { bytes, digest } = sample(300_000);
  const changes: string[] = [];
  blobs.onChange(({ kind }) => changes.push(kind));
  const wrong = Buffer.from(bytes);
  wrong[150_000]! ^= 1;
  writeFileSync(join(folder, 'sha256', digest.hex), wrong);
  blobs.add(digest, bytes.length);
  t.is(blobs.size(digest), bytes.length);
  await t.throwsAsync(blobs.open(digest), { code: 'not-found' });
  t.is(blobs.size(digest), undefined);
  t.deepEqual([...blobs.list()], []);
  t.deepEqual(changes, ['added', 'removed']);
  t.is(warnings.length, 1);
});

test('a file of another size than was said is not used', async (t) => {
  const { blobs, folder } = world(t);
  const { bytes, digest } = sample(1000);
  writeFileSync(join(folder, 'sha256', digest.hex), bytes);
  blobs.add(digest, 999);
  await t.throwsAsync(blobs.open(digest), { code: 'not-found' });
});

test('a file is hashed once, also after a restart, and again when it has changed', async (t) => {
  const first = world(t);
  const { bytes, digest } = sample(200_000);
  await first.add(bytes, digest);
  t.false(first.blobs.isVerified(digest));
  await first.blobs.verify(digest);
  t.true(first.blobs.isVerified(digest));

  // The same inode, size and time: it is taken for what it was, since reading it again is what this saves.
  const path = first.blobs.path(digest);
  const time = new Date(1_700_000_000_000);
  utimesSync(path, time, time);
  await first.close();
  const second = world(t, first.folder);
  second.blobs.add(digest, bytes.length);
  await second.blobs.verify(digest);
  const wrong = Buffer.from(bytes);
  wrong[7]! ^= 1;
  writeFileSync(path, wrong);
  utimesSync(path, time, time);
  t.is((await readAll(second.blobs, digest)).length, bytes.length);
  utimesSync(path, time, new Date(1_700_000_000_001));
  await t.throwsAsync(second.blobs.open(digest), { code: 'not-found' });
});

test('a file that is gone is withdrawn by whoever opens it', async (t) => {
  const { blobs, add } = world(t);
  const { bytes, digest } = sample(1000);
  await add(bytes, digest);
  rmSync(blobs.path(digest));
  await t.throwsAsync(blobs.open(digest), { code: 'not-found' });
  t.is(blobs.size(digest), undefined);
});

test('a blob that both stores hold comes once, and goes with the last copy', async (t) => {
  const own = await openStore(tempDir(t));
  t.teardown(() => own.close());
  const { blobs, add, remove } = world(t);
  const layered = new LayeredBlobStore(own.blobs, blobs);
  const changes: string[] = [];
  layered.onChange(({ kind }) => changes.push(kind));
  const { bytes, digest } = sample(1000);
  await own.blobs.write(chunks(bytes));
  await add(bytes, digest);
  t.deepEqual([...layered.list()], [{ digest, size: 1000 }]);
  await layered.delete(digest);
  t.true((await readAll(layered, digest)).equals(bytes));
  await remove(digest);
  t.deepEqual(changes, ['added', 'removed']);
});

test('gc drops the own copy of what the content store holds, but for small blobs', async (t) => {
  const own = await openStore(tempDir(t));
  t.teardown(() => own.close());
  const { blobs, add } = world(t);
  const [large, small] = [sample(200_000), sample(1000)];
  for (const { bytes, digest } of [large, small]) {
    await own.blobs.write(chunks(bytes));
    await add(bytes, digest);
    await blobs.verify(digest);
  }
  const { removed } = await own.gc({ isHeldElsewhere: (digest) => blobs.isVerified(digest) });
  t.deepEqual(
    removed.map(({ digest }) => digest.toString()),
    [large.digest.toString()],
  );
});

test('a damaged memory of what was verified is made anew', (t) => {
  const path = join(tempDir(t), 'verified.sqlite');
  writeFileSync(path, 'no database');
  const verified = VerifiedFiles.open(path);
  const { digest } = sample(1);
  t.is(verified.get(digest, { inode: 1n, modifiedNs: 1n, size: 1 }), undefined);
  verified.close();
});
