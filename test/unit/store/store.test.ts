import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Grade } from '../../../src/store/blob-store.ts';
import { openStore } from '../../../src/store/store.ts';
import { startProgram } from '../../support/process.ts';
import { requireTool } from '../../support/require-tool.ts';
import { skopeoOk } from '../../support/skopeo.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { chunks, fill, readAll, sample } from './conformance.ts';
import { index } from './sample-image.ts';
import { blobPath, open, putImage, REPOSITORY } from './sample-store.ts';

const CHILD = fileURLToPath(new URL('crash-child.ts', import.meta.url));

/** Every file below a folder with its content's hash. */
function snapshot(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path, createHash('sha256').update(readFileSync(path)).digest('hex')];
    }),
  );
}

// The folder

test('a second process gets store-locked with the pid of the first, and the store once that was killed', async (t) => {
  const folder = tempDir(t);
  const holder = startProgram(t, process.execPath, [CHILD, folder, 'tags']);
  await holder.waitForOutput(/^did 1$/m);
  const error = await t.throwsAsync(openStore(folder), { code: 'store-locked' });
  t.regex(error.message, new RegExp(`in use by process ${holder.pid};`));
  t.false(error.message.includes('\n'));
  holder.kill('SIGKILL');
  await holder.finished;
  await open(t, folder);
});

test('a second store in one process is refused too, and does not take the lock away', async (t) => {
  const folder = tempDir(t);
  await open(t, folder);
  await t.throwsAsync(openStore(folder), { code: 'store-locked' });
  const other = startProgram(t, process.execPath, [CHILD, folder, 'tags']);
  t.not((await other.finished).code, 0);
  t.regex(other.stderr, /store-locked/);
});

for (const [what, content] of [
  ['a newer', '2\n'],
  ['an unreadable', 'x\n'],
] as const) {
  test(`a folder with ${what} format is refused and left alone`, async (t) => {
    const folder = tempDir(t);
    await (await openStore(folder)).close();
    writeFileSync(join(folder, 'format'), content);
    const before = snapshot(folder);
    const error = await t.throwsAsync(openStore(folder), { code: 'store-format' });
    t.false(error.message.includes('\n'));
    t.deepEqual(snapshot(folder), before);
  });
}

test('an OCI layout of another program is refused and left alone', async (t) => {
  const folder = tempDir(t);
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  writeFileSync(join(folder, 'blobs/sha256/precious'), 'x');
  await t.throwsAsync(openStore(folder), { code: 'store-format' });
  t.deepEqual(readdirSync(folder), ['blobs']);
});

test('a folder that cannot be written is store-unwritable', async (t) => {
  const folder = tempDir(t);
  writeFileSync(join(folder, 'file'), '');
  const error = await t.throwsAsync(openStore(join(folder, 'file/store')), { code: 'store-unwritable' });
  t.false(error.message.includes('\n'));
  if (process.getuid?.() === 0) return; // root writes everywhere
  chmodSync(folder, 0o500);
  await t.throwsAsync(openStore(join(folder, 'store')), { code: 'store-unwritable' });
});

test('opening removes what does not belong and keeps unfinished blobs that can be gone on with', async (t) => {
  const folder = tempDir(t);
  const first = await openStore(folder);
  const { bytes, digest } = sample(1000);
  const partial = await first.blobs.openPartial(digest, 1000, 100);
  await fill(partial, bytes, 4);
  await first.close();
  for (const name of ['tmp/left', 'blobs/sha256/no-digest', 'partial/no-digest.data', `partial/sha256-${'0'.repeat(64)}.data`])
    writeFileSync(join(folder, name), 'x');
  mkdirSync(join(folder, 'blobs/sha256/folder'));

  const second = await open(t, folder);
  t.deepEqual(readdirSync(join(folder, 'tmp')), []);
  t.deepEqual(readdirSync(join(folder, 'blobs/sha256')), []);
  t.is(readdirSync(join(folder, 'partial')).length, 2);
  t.deepEqual([...second.blobs.partials()], [{ digest, size: 1000, haveBytes: 100 }]);
});

test('what was torn or changed in the state of a partial blob is not believed', async (t) => {
  const folder = tempDir(t);
  const { bytes, digest } = sample(1000);
  const first = await openStore(folder);
  const partial = await first.blobs.openPartial(digest, 1000, 100);
  await fill(partial, bytes, 4);
  await first.close();
  const path = join(folder, 'partial', `sha256-${digest.hex}.state`);
  const state = readFileSync(path);
  state[state.length - 40]! ^= 1; // within the newest slot
  writeFileSync(path, state);
  const second = await open(t, folder);
  t.deepEqual([...second.blobs.partials()], []);
  t.deepEqual(readdirSync(join(folder, 'partial')), []);
});

// The metadata

test('a blob whose file has another length, or is gone, is no longer in the store', async (t) => {
  const folder = tempDir(t);
  const first = await openStore(folder);
  const { bytes, digest } = sample(1000);
  const gone = sample(2000);
  await first.blobs.write(chunks(bytes));
  await first.blobs.write(chunks(gone.bytes));
  await first.close();
  truncateSync(blobPath(folder, digest), 999);
  rmSync(blobPath(folder, gone.digest));

  const second = await open(t, folder);
  t.deepEqual([...second.blobs.list()], []);
  t.is(second.repairs.length, 2);
  t.is(await second.blobs.checkpoints(digest), undefined);
  t.deepEqual(readdirSync(join(folder, 'quarantine')), [`sha256-${digest.hex}`]);
});

for (const [what, damage] of [
  ['deleted', (path: string): void => rmSync(path)],
  ['overwritten with garbage', (path: string): void => writeFileSync(path, 'garbage'.repeat(10_000))],
] as const) {
  test(`metadata that was ${what} is made anew from the blobs and the exported index`, async (t) => {
    const folder = tempDir(t);
    const first = await openStore(folder);
    const child = await putImage(first, REPOSITORY, 'v1', 'a', { origin: true });
    const parent = index([child.raw]);
    await first.images.putManifest(REPOSITORY, parent);
    first.images.setTag(REPOSITORY, 'multi', parent.digest, 1);
    await first.close();
    damage(join(folder, 'metadata.db'));

    const second = await open(t, folder, { maxBytes: 10_000, reserveBytes: 0 });
    t.true(second.repairs.length > 0);
    t.is([...second.blobs.list()].length, 5);
    t.deepEqual(await second.images.anyManifest(parent.digest), parent);
    t.deepEqual(second.images.tags(REPOSITORY), ['multi', 'v1']);
    t.deepEqual(second.images.tag(REPOSITORY, 'v1'), { digest: child.raw.digest, checkedAt: 1 });
    t.true(second.images.isLinked(REPOSITORY, child.config));
    // held as origin still, so never evicted
    await second.gc({ targetBytes: 0, maxAgeMs: 0 });
    for (const digest of [child.raw.digest, child.config, ...child.layers]) t.not(second.blobs.size(digest), undefined);
  });
}

test('a manifest that the disk changed is not given out', async (t) => {
  const folder = tempDir(t);
  const store = await open(t, folder);
  const { raw } = await putImage(store, REPOSITORY, 'v1', 'a');
  writeFileSync(
    blobPath(folder, raw.digest),
    raw.bytes.toString().replace('linux', 'Linux').replace('amd64', 'AMD64').replace('layers', 'LAYERS'),
  );
  t.is(await store.images.manifest(REPOSITORY, raw.digest), undefined);
  t.is(store.blobs.size(raw.digest), undefined);
});

test('a full disk is disk-full, early where the size is known, and loses nothing', async (t) => {
  if (!requireTool(t, 'root', 'mount', 'umount')) return;
  const folder = tempDir(t, 'full');
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0700', 'layerswarm-test', folder]);
  t.teardown(() => {
    execFileSync('umount', ['--lazy', folder]);
  });
  const store = await openStore(folder, { reserveBytes: 1024 * 1024 });
  try {
    const kept = sample(1_000_000);
    await store.blobs.write(chunks(kept.bytes), { origin: true });
    await t.throwsAsync(store.blobs.openPartial(sample(1).digest, 10_000_000, 65_536), { code: 'disk-full' });
    await t.throwsAsync(store.blobs.write(chunks(Buffer.alloc(10_000_000)), { expectedSize: 10_000_000 }), { code: 'disk-full' });
    // as a program does that another thread starts meanwhile: it has copies of all open files until it is under way
    const copies: number[] = [];
    const held = async function* (): AsyncGenerator<Uint8Array> {
      copies.push(...readdirSync(join(folder, 'tmp')).map((name) => openSync(join(folder, 'tmp', name), 'r')));
      yield* chunks(Buffer.alloc(10_000_000));
    };
    t.teardown(() => copies.forEach((copy) => closeSync(copy)));
    await t.throwsAsync(store.blobs.write(held()), { code: 'disk-full' });
    t.is(copies.length, 1);
    t.deepEqual(readdirSync(join(folder, 'tmp')), []);

    const { bytes, digest } = sample(4_000_000);
    const partial = await store.blobs.openPartial(digest, bytes.length, 65_536);
    for (let piece = 0; piece < 10; piece++) await fill(partial, bytes, piece, Grade.vouched);
    // somebody else fills the disk
    writeFileSync(join(folder, 'foreign'), Buffer.alloc(1));
    t.throws(() => writeFileSync(join(folder, 'foreign'), Buffer.alloc(8_000_000)));
    const missing = (): number[] =>
      Array.from({ length: partial.pieceCount }, (_, piece) => piece).filter((piece) => partial.grade(piece) === Grade.missing);
    const writeMissing = async (): Promise<void> => {
      for (const piece of missing()) await fill(partial, bytes, piece, Grade.vouched);
    };
    await t.throwsAsync(writeMissing(), { code: 'disk-full' });
    rmSync(join(folder, 'foreign'));
    await writeMissing();
    await partial.advance();
    t.true(partial.verdict);
    await partial.commit();
    t.true((await readAll(store.blobs, digest)).equals(bytes));
    t.true((await readAll(store.blobs, kept.digest)).equals(kept.bytes));
  } finally {
    await store.close();
  }
});

// The exported layout

test('skopeo and umoci read tagged images from the folder', async (t) => {
  if (!requireTool(t, 'skopeo', 'umoci')) return;
  const folder = tempDir(t);
  const store = await openStore(folder, { indexDelayMs: 0 });
  const { raw } = await putImage(store, REPOSITORY, 'v1', 'a');
  await putImage(store, REPOSITORY, 'gone', 'b');
  store.images.deleteTag(REPOSITORY, 'gone');
  await store.close();

  t.is(statSync(join(folder, 'index.json')).mode & 0o077, 0);
  const names = execFileSync('umoci', ['list', '--layout', folder], { encoding: 'utf8' });
  t.deepEqual(names.trim().split('\n'), [`${REPOSITORY}:v1`]);
  const inspected = JSON.parse((await skopeoOk(['inspect', `oci:${folder}:${REPOSITORY}:v1`])).stdout) as { Digest: string };
  t.is(inspected.Digest, raw.digest.toString());
  const copy = join(tempDir(t), 'copy');
  await skopeoOk(['copy', '--preserve-digests', `oci:${folder}:${REPOSITORY}:v1`, `dir:${copy}`]);
  t.true(existsSync(join(copy, 'manifest.json')));
});

test('a folder that anybody may write is refused, and left as it is', async (t) => {
  const folder = join(tempDir(t), 'data');
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  await t.throwsAsync(openStore(folder), {
    code: 'store-unwritable',
    message: /anybody on this host may write .* \(mode 777\).*chmod o-w/,
  });
  t.deepEqual(readdirSync(folder), []);
  chmodSync(folder, 0o775);
  await (await openStore(folder)).close();
});
