import { closeSync, cpSync, existsSync, openSync, statSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isDamage, Metadata } from '../../../src/store/db/metadata.ts';
import { StoreLayout } from '../../../src/store/disk/store-layout.ts';
import { openStore } from '../../../src/store/store.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { waitFor } from '../../support/wait-for.ts';
import { image } from './sample-image.ts';

const REPOSITORY = 'registry.example/team/app';
const PAGE = 4096;

/** A store with an image, its tag and its pin. */
async function filled(t: ExecutionContext): Promise<{ folder: string; digest: string; copyOfRunning: string }> {
  const folder = join(tempDir(t), 'data');
  const store = await openStore(folder);
  const { raw: manifest, blobs } = image('app');
  for (const bytes of blobs)
    await store.blobs.write(
      (async function* () {
        yield bytes;
      })(),
    );
  await store.images.putManifest(REPOSITORY, manifest);
  store.images.setTag(REPOSITORY, 'v1', manifest.digest, 1_700_000_000_000);
  store.images.pin(`${REPOSITORY}:v1`);
  await store.close();
  const running = await openStore(folder);
  running.images.setTag(REPOSITORY, 'v2', manifest.digest, 1_700_000_000_000);
  const copyOfRunning = join(tempDir(t), 'data');
  cpSync(folder, copyOfRunning, { recursive: true });
  await running.close();
  return { folder, digest: manifest.digest.toString(), copyOfRunning };
}

function scribble(path: string, from: number, length: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, randomBytes(length), 0, length, from);
  closeSync(file);
}

/** Damage that opening did not meet fails the call that meets it, and is mended behind it. */
async function everythingIsBack(t: ExecutionContext, folder: string, digest: string, what: string): Promise<void> {
  const store = await openStore(folder);
  try {
    await waitFor(`what was there before (${what})`, async () => {
      try {
        const tag = store.images.tag(REPOSITORY, 'v1');
        for await (const { state } of store.verify()) t.is(state, 'ok', what);
        return (
          tag?.digest.toString() === digest &&
          tag.checkedAt === 1_700_000_000_000 &&
          store.images.pins().join() === `${REPOSITORY}:v1` &&
          (await store.images.manifest(REPOSITORY, tag.digest)) !== undefined
        );
      } catch (error) {
        if (isDamage(error)) return false;
        throw error;
      }
    });
  } finally {
    await store.close();
  }
}

test('garbage anywhere in the metadata, after a clean end and after none, costs nothing that a blob or the last copy knows', async (t) => {
  const { folder, digest, copyOfRunning } = await filled(t);
  const pages = statSync(join(folder, 'metadata.db')).size / PAGE;
  for (let page = 0; page < pages; page++) {
    for (const [source, from] of [
      [folder, 'a clean end'],
      [copyOfRunning, 'none'],
    ] as const) {
      const copy = join(tempDir(t), 'data');
      cpSync(source, copy, { recursive: true });
      scribble(join(copy, 'metadata.db'), page * PAGE, PAGE);
      await everythingIsBack(t, copy, digest, `page ${page}, after ${from}`);
    }
  }
  t.false(existsSync(join(folder, 'metadata.db.damaged')));
});

test('damage that shows while the store is in use is told once, and an empty database takes its place', async (t) => {
  const layout = new StoreLayout(tempDir(t));
  const { metadata: first } = await Metadata.open(layout);
  first.transaction(() => {
    for (let i = 0; i < 40_000; i++)
      first.statement('INSERT INTO tags VALUES (?, ?, ?, 0)').run(REPOSITORY, `tag-${i}`, `sha256:${'0'.repeat(64)}`);
  });
  await first.close();
  const { metadata } = await Metadata.open(layout);
  t.teardown(() => metadata.close());
  scribble(layout.metadata, 16 * PAGE, statSync(layout.metadata).size - 16 * PAGE);
  let told = 0;
  metadata.onDamaged = () => {
    told += 1;
  };
  const count = (): unknown => metadata.statement('SELECT count(*) AS n FROM tags WHERE digest > ?').get('x')?.['n'];
  for (let i = 0; i < 2; i++) t.throws(count);
  t.is(told, 1);
  await metadata.replace();
  t.is(count(), 0);
});
