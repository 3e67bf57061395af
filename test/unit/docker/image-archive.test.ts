import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { extract } from 'tar-stream';
import { imageArchive } from '../../../src/docker/image-archive.ts';
import { LayerswarmError } from '../../../src/errors.ts';
import type { Descriptor } from '../../../src/oci/descriptor.ts';
import { parseManifest, type ImageManifest } from '../../../src/oci/manifest.ts';
import { image } from '../store/sample-image.ts';

const SAMPLE = image('archived', { layerLength: 300_000 });
const MANIFEST = parseManifest(SAMPLE.raw.bytes) as ImageManifest;

async function* read({ digest }: Descriptor): AsyncGenerator<Buffer> {
  const bytes = SAMPLE.blobs[[SAMPLE.config, ...SAMPLE.layers].findIndex((other) => other.equals(digest))]!;
  for (let start = 0; start < bytes.length; start += 100_000) {
    await setImmediate();
    yield bytes.subarray(start, start + 100_000);
  }
}

async function unpack(archive: NodeJS.ReadableStream): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const entries = extract();
  archive.on('error', (error: Error) => entries.destroy(error));
  archive.pipe(entries);
  for await (const entry of entries) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    files.set(entry.header.name, Buffer.concat(chunks));
  }
  return files;
}

test('an archive holds every blob once, and the names for old engines and new ones', async (t) => {
  const twice: ImageManifest = { ...MANIFEST, layers: [...MANIFEST.layers, MANIFEST.layers[0]!] };
  const files = await unpack(imageArchive({ name: 'registry.example:5000/team/app:v1', raw: SAMPLE.raw, manifest: twice, read }));
  const path = ({ algorithm, hex }: { algorithm: string; hex: string }): string => `blobs/${algorithm}/${hex}`;
  t.deepEqual(
    [...files.keys()],
    ['oci-layout', 'index.json', 'manifest.json', path(SAMPLE.raw.digest), path(SAMPLE.config), ...SAMPLE.layers.map(path)],
  );
  t.deepEqual(JSON.parse(files.get('manifest.json')!.toString()), [
    {
      Config: path(SAMPLE.config),
      RepoTags: ['registry.example:5000/team/app:v1'],
      Layers: [...SAMPLE.layers, SAMPLE.layers[0]!].map(path),
    },
  ]);
  const { manifests } = JSON.parse(files.get('index.json')!.toString()) as {
    manifests: { digest: string; annotations: Record<string, string> }[];
  };
  t.is(manifests[0]!.digest, SAMPLE.raw.digest.toString());
  t.is(manifests[0]!.annotations['org.opencontainers.image.ref.name'], 'v1');
  for (const [index, digest] of [SAMPLE.config, ...SAMPLE.layers].entries()) t.true(files.get(path(digest))!.equals(SAMPLE.blobs[index]!));
});

test('an image without a tag has no name', async (t) => {
  const files = await unpack(imageArchive({ name: undefined, raw: SAMPLE.raw, manifest: MANIFEST, read }));
  t.deepEqual((JSON.parse(files.get('manifest.json')!.toString()) as { RepoTags: string[] }[])[0]!.RepoTags, []);
});

for (const [title, broken] of [
  [
    'whose source fails',
    async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('begun');
      throw new LayerswarmError('not-found', 'it is gone');
    },
  ],
  [
    'that is shorter than its descriptor says',
    async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('short');
    },
  ],
] as const) {
  test(`a blob ${title} ends the archive with an error`, async (t) => {
    await t.throwsAsync(unpack(imageArchive({ name: undefined, raw: SAMPLE.raw, manifest: MANIFEST, read: broken })));
  });
}
