import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { ImageSource } from '../../../../src/copy/image-source.ts';
import { errorCode, type ErrorCode } from '../../../../src/errors.ts';
import { openFileSource } from '../../../../src/seed/source/open-source.ts';
import { parseSource } from '../../../../src/seed/source/source-name.ts';
import { multiPlatformImage, smallImage } from '../../../support/images.ts';
import { tarBytes, type TarEntry, writeTar } from '../../../support/tar-file.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { imageSourceConformance } from './conformance.ts';

type FileKind = Parameters<typeof openFileSource>[0]['kind'];

const opener = (t: ExecutionContext, kind: FileKind, path: string) => {
  const tempFolder = tempDir(t);
  return (): Promise<ImageSource> => openFileSource({ kind, path }, { tempFolder });
};

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** What `docker save` of 20.10 writes for two layers, of which the second occurs twice as a link. */
async function savedByDocker(): Promise<TarEntry[]> {
  const layers = await Promise.all(['one', 'two'].map((name) => tarBytes([{ name, content: randomBytes(5000) }])));
  const diffIds = [layers[0]!, layers[1]!, layers[1]!].map((layer) => `sha256:${sha256(layer)}`);
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } });
  return [
    { name: 'aa/', type: 'directory' },
    { name: 'aa/layer.tar', content: layers[0]! },
    { name: 'bb/layer.tar', content: layers[1]! },
    { name: 'cc/layer.tar', type: 'symlink', linkname: '../bb/layer.tar' },
    { name: `${sha256(config)}.json`, content: config },
    {
      name: 'manifest.json',
      content: JSON.stringify([
        { Config: `${sha256(config)}.json`, RepoTags: ['team/app:1'], Layers: ['aa/layer.tar', 'bb/layer.tar', 'cc/layer.tar'] },
      ]),
    },
  ];
}

const rootfs: readonly TarEntry[] = [
  { name: './', type: 'directory' },
  { name: './bin/sh', content: randomBytes(3000) },
  { name: './etc/link', type: 'symlink', linkname: '../../outside' },
];

imageSourceConformance('oci folder', async (t) => opener(t, 'oci', (await smallImage(t)).dir));
imageSourceConformance('oci folder with an index', async (t) => opener(t, 'oci', `${(await multiPlatformImage(t)).layout.dir}:multi`));
imageSourceConformance('oci archive', async (t) => opener(t, 'oci-archive', archiveOf(t, (await smallImage(t)).dir)));
imageSourceConformance('compressed oci archive', async (t) => {
  const file = archiveOf(t, (await smallImage(t)).dir);
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
  return opener(t, 'oci-archive', `${file}.gz`);
});
imageSourceConformance('docker archive', async (t) =>
  opener(t, 'docker-archive', await writeTar(join(tempDir(t), 'saved.tar'), await savedByDocker())),
);
for (const [how, compress] of [
  ['plain', (bytes: Buffer) => bytes],
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
] as const) {
  imageSourceConformance(`${how} root file system`, async (t) => {
    const file = join(tempDir(t), 'rootfs.tar');
    writeFileSync(file, compress(await tarBytes(rootfs)));
    return opener(t, 'tar', file);
  });
}

function archiveOf(t: ExecutionContext, dir: string): string {
  const file = join(tempDir(t), 'image.tar');
  execFileSync('tar', ['-C', dir, '-cf', file, '.']);
  return file;
}

test('layers of docker save keep their diff ids as digests', async (t) => {
  const entries = await savedByDocker();
  const source = await opener(t, 'docker-archive', await writeTar(join(tempDir(t), 'saved.tar'), entries))();
  t.teardown(() => source.close());
  const { layers } = JSON.parse((await source.root()).bytes.toString()) as { layers: { digest: string }[] };
  t.deepEqual(
    layers.map(({ digest }) => digest),
    ['aa', 'bb', 'bb'].map((id) => `sha256:${sha256(entries.find(({ name }) => name === `${id}/layer.tar`)!.content!)}`),
  );
});

const tricked = (change: (entries: TarEntry[]) => TarEntry[]) => async (): Promise<TarEntry[]> => change(await savedByDocker());
const replaceContent =
  (name: RegExp, content: string) =>
  (entries: TarEntry[]): TarEntry[] =>
    entries.map((entry) => (name.test(entry.name) ? { ...entry, content } : entry));

const hostile: readonly [title: string, entries: () => Promise<TarEntry[]>, code: ErrorCode][] = [
  [
    'a layer that is a link out of the archive',
    tricked((entries) =>
      entries.map((entry) => (entry.name === 'cc/layer.tar' ? { ...entry, linkname: '../../../../etc/passwd' } : entry)),
    ),
    'manifest-invalid',
  ],
  [
    'a layer that is an absolute link',
    tricked((entries) => entries.map((entry) => (entry.name === 'cc/layer.tar' ? { ...entry, linkname: '/etc/passwd' } : entry))),
    'manifest-invalid',
  ],
  [
    'links in a circle',
    tricked((entries) => [
      ...entries.filter(({ name }) => !name.startsWith('bb')),
      { name: 'bb/layer.tar', type: 'symlink', linkname: '../cc/layer.tar' },
    ]),
    'manifest-invalid',
  ],
  [
    'a layer outside of the archive',
    tricked(replaceContent(/^manifest/, JSON.stringify([{ Config: 'c.json', Layers: ['/etc/passwd'] }]))),
    'not-found',
  ],
  [
    'a configuration that is not what its name says',
    tricked(replaceContent(/^[0-9a-f]{64}\.json$/, '{"rootfs":{"diff_ids":[]}}')),
    'digest-mismatch',
  ],
  [
    'fewer diff ids than layers',
    async () => [
      { name: 'c.json', content: '{"rootfs":{"diff_ids":[]}}' },
      { name: 'manifest.json', content: JSON.stringify([{ Config: 'c.json', Layers: ['x'] }]) },
    ],
    'manifest-invalid',
  ],
  ['a manifest.json that is no JSON', async () => [{ name: 'manifest.json', content: 'x' }], 'manifest-invalid'],
  [
    'two images and no choice',
    async () => [
      {
        name: 'manifest.json',
        content: JSON.stringify([
          { Config: 'a', RepoTags: ['a:1'], Layers: [] },
          { Config: 'b', RepoTags: ['b:1'], Layers: [] },
        ]),
      },
    ],
    'usage',
  ],
];
for (const [title, entries, code] of hostile) {
  test(`a docker archive is refused with ${title}`, async (t) => {
    const file = await writeTar(join(tempDir(t), 'saved.tar'), await entries());
    t.is(errorCode(await t.throwsAsync(opener(t, 'docker-archive', file)())), code);
  });
}

test('a blob of a layout that is a link is refused', async (t) => {
  const layout = await smallImage(t);
  const [name] = readdirSync(join(layout.dir, 'blobs/sha256'));
  const outside = join(tempDir(t), 'outside');
  mkdirSync(outside);
  execFileSync('mv', [join(layout.dir, 'blobs/sha256'), join(outside, 'sha256')]);
  symlinkSync(join(outside, 'sha256'), join(layout.dir, 'blobs/sha256'));
  t.truthy(name);
  const source = await opener(t, 'oci', layout.dir)();
  t.is(errorCode(await t.throwsAsync(source.root())), 'unsupported');
});

test('bytes that were changed in a layout are not given as a manifest', async (t) => {
  const layout = await smallImage(t);
  const { digest } = await layout.tagged('v1');
  writeFileSync(
    layout.blobPath(digest),
    readFileSync(layout.blobPath(digest)).toString().replace('"schemaVersion":2', '"schemaVersion" :2'),
  );
  t.is(errorCode(await t.throwsAsync((await opener(t, 'oci', layout.dir)()).root())), 'digest-mismatch');
});

const badTarballs: readonly [title: string, bytes: () => Promise<Buffer> | Buffer, code: ErrorCode][] = [
  ['no archive', () => Buffer.from('#!/bin/sh\n'.repeat(200)), 'manifest-invalid'],
  ['cut short', async () => (await tarBytes(rootfs)).subarray(0, 2000), 'manifest-invalid'],
  ['empty', () => Buffer.alloc(0), 'manifest-invalid'],
  ['cut gzip', async () => gzipSync(await tarBytes(rootfs)).subarray(0, 1000), 'manifest-invalid'],
  ['xz', () => Buffer.from('fd377a585a0000', 'hex'), 'unsupported'],
  ['an entry that climbs out', () => tarBytes([{ name: '../../etc/passwd', content: 'x' }]), 'manifest-invalid'],
  ['zeros alone', async () => gzipSync(Buffer.alloc(1 << 16)), 'manifest-invalid'],
];
for (const [title, bytes, code] of badTarballs) {
  test(`a root file system is refused: ${title}`, async (t) => {
    const file = join(tempDir(t), 'rootfs.tar');
    writeFileSync(file, await bytes());
    t.is(errorCode(await t.throwsAsync(opener(t, 'tar', file)())), code);
  });
}

test('names with colons are split where a file ends', async (t) => {
  const layout = await smallImage(t);
  const source = await opener(t, 'oci', `${layout.dir}:v1`)();
  t.is((await source.root()).digest.toString(), (await layout.tagged('v1')).digest);
  t.is(errorCode(await t.throwsAsync(opener(t, 'oci', `${layout.dir}:v2`)())), 'not-found');
  t.is(errorCode(await t.throwsAsync(opener(t, 'oci', '/nonexistent:v2')())), 'not-found');
});

test('sources are told apart by what stands before the colon', (t) => {
  t.deepEqual(parseSource('docker://team/app:1'), { kind: 'docker', image: 'team/app:1' });
  t.deepEqual(parseSource('oci:/a:b'), { kind: 'oci', path: '/a:b' });
  for (const wrong of ['', 'docker:app', 'docker://', 'http://x', 'oci:', '/etc/passwd', 'tar:a\0b'])
    t.is(errorCode(t.throws(() => parseSource(wrong))), 'usage', wrong);
});
