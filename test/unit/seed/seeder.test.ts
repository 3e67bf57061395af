import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CopyTarget } from '../../../src/copy/copy-target.ts';
import { LayerswarmError } from '../../../src/errors.ts';
import { parseManifest, type ImageManifest } from '../../../src/oci/manifest.ts';
import { EmbeddedWriter } from '../../../src/origin/embedded-writer.ts';
import { EmbeddedOrigin } from '../../../src/origin/embedded.ts';
import { KnownImages } from '../../../src/seed/known-images.ts';
import { Seeder, type SeederOptions, type SeedOptions } from '../../../src/seed/seeder.ts';
import { openStore, type Store } from '../../../src/store/store.ts';
import { smallImage } from '../../support/images.ts';
import { tarBytes } from '../../support/tar-file.ts';
import { tempDir } from '../../support/temp-dir.ts';

interface World {
  readonly seeder: Seeder;
  readonly own: Store;
  readonly origin: EmbeddedOrigin;
  readonly tempFolder: string;
}

async function world(
  t: ExecutionContext,
  convert: SeederOptions['convert'] = async () => {
    throw new Error('nothing is converted');
  },
): Promise<World> {
  const open = async (): Promise<Store> => {
    const store = await openStore(tempDir(t));
    t.teardown(() => store.close());
    return store;
  };
  const [own, theirs] = await Promise.all([open(), open()]);
  const origin = new EmbeddedOrigin({ peerId: 'origin', store: theirs.blobs, images: theirs.images, now: () => 1 });
  const tempFolder = tempDir(t);
  const known = new KnownImages(join(tempDir(t), 'seeded.sqlite'));
  t.teardown(() => known.close());
  const target = new CopyTarget({ reader: origin, writer: new EmbeddedWriter(origin) });
  const seeder = new Seeder({
    blobs: own.blobs,
    images: own.images,
    known,
    tempFolder,
    convert,
    now: () => 1,
    origin: () => ({ registry: origin, target, registryName: 'registry.example', embedded: false }),
    isOwnName: () => false,
    otherRegistry: () => {
      throw new Error('no other registry is asked');
    },
    openStaging: () => {
      throw new Error('no engine pushes');
    },
  });
  return { seeder, own, origin, tempFolder };
}

function options(more: Partial<SeedOptions> = {}): SeedOptions {
  return { signal: AbortSignal.timeout(60_000), onProgress: () => undefined, ...more };
}

/** Gives the image of a layout as what the disk was converted to. */
function converting(dir: string, name: string | undefined): SeederOptions['convert'] {
  return async (disk, folder) => {
    if (!existsSync(disk)) throw new LayerswarmError('not-found', `${disk} is not there`);
    await cp(dir, folder, { recursive: true });
    return name;
  };
}

async function diskFile(t: ExecutionContext): Promise<string> {
  const file = join(tempDir(t), 'vm.qcow2');
  writeFileSync(file, 'a disk');
  return file;
}

test('a disk is converted, arrives at the origin under the name that was found on it, and leaves no file', async (t) => {
  const layout = await smallImage(t);
  const { seeder, own, origin, tempFolder } = await world(t, converting(layout.dir, 'vm-debian:12'));
  const { digest } = await layout.tagged('v1');
  const report = await seeder.seed(`disk:${await diskFile(t)}`, options());
  t.is(report.reference.toString(), 'registry.example/vm-debian:12');
  t.deepEqual([report.digest.toString(), report.identity, report.tag, report.layers.length], [digest, 'as-is', 'new', 3]);
  t.is((await origin.resolveTag('vm-debian', '12')).toString(), digest);
  t.is(own.images.tag('registry.example/vm-debian', '12')?.digest.toString(), digest, 'this node is its first seeder');
  t.deepEqual(readdirSync(tempFolder), []);
});

test('a disk is seeded under another name with --as, and needs it when none is found on it', async (t) => {
  const layout = await smallImage(t);
  const { seeder, origin, tempFolder } = await world(t, converting(layout.dir, undefined));
  const disk = `disk:${await diskFile(t)}`;
  await t.throwsAsync(seeder.seed(disk, options()), { code: 'usage', message: /--as NAME:TAG/ });
  t.deepEqual(readdirSync(tempFolder), []);
  t.is((await seeder.seed(disk, options({ as: 'team/vm:1' }))).reference.toString(), 'registry.example/team/vm:1');
  const again = await seeder.seed(disk, options({ as: 'team/vm:1' }));
  t.deepEqual([again.tag, again.uploaded.blobs], ['same', 0]);
  await t.notThrowsAsync(origin.resolveTag('team/vm', '1'));
});

test('a dry run of a disk says what would be sent, and sends nothing', async (t) => {
  const layout = await smallImage(t);
  const { seeder, own, origin } = await world(t, converting(layout.dir, 'vm:1'));
  const report = await seeder.seed(`disk:${await diskFile(t)}`, options({ dryRun: true }));
  t.deepEqual([report.dryRun, report.tag, report.uploaded.blobs], [true, 'new', 4]);
  await t.throwsAsync(origin.resolveTag('vm', '1'), { code: 'not-found' });
  t.is([...own.blobs.list()].length, 0);
});

test('a disk that cannot be converted leaves nothing', async (t) => {
  const { seeder, own, tempFolder } = await world(t, converting('/nonexistent', 'vm:1'));
  await t.throwsAsync(seeder.seed('disk:/nonexistent/vm.qcow2', options()), { code: 'not-found' });
  t.deepEqual(readdirSync(tempFolder), []);
  t.is([...own.blobs.list()].length, 0);
});

for (const [text, platform] of [
  ['linux/arm64', { os: 'linux', architecture: 'arm64' }],
  ['linux/arm/v7', { os: 'linux', architecture: 'arm', variant: 'v7' }],
  ["this host's", undefined],
] as const) {
  test(`the tarball of a root file system is an image for ${text}`, async (t) => {
    const { seeder, own } = await world(t);
    const file = join(tempDir(t), 'rootfs.tar');
    writeFileSync(file, await tarBytes([{ name: 'bin/sh', content: '#!' }]));
    const { digest } = await seeder.seed(`tar:${file}`, options({ as: 'team/base:1', platform }));
    const raw = await own.images.anyManifest(digest);
    const { config } = parseManifest(raw!.bytes, raw!.mediaType) as ImageManifest;
    const reader = await own.blobs.open(config.digest);
    const { os, architecture, variant } = JSON.parse((await reader.read(0, reader.size)).toString()) as {
      os: string;
      architecture: string;
      variant?: string;
    };
    await reader.close();
    t.deepEqual(
      { os, architecture, variant },
      { variant: undefined, ...(platform ?? { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch }) },
    );
  });
}
