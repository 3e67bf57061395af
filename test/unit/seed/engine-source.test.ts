import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { ImageSource } from '../../../src/copy/image-source.ts';
import { DockerEngine } from '../../../src/docker/engine.ts';
import { LayerswarmError } from '../../../src/errors.ts';
import { Digest } from '../../../src/oci/digest.ts';
import { parseManifest, type ImageManifest, type RawManifest } from '../../../src/oci/manifest.ts';
import { type EngineSourceOptions, findEngineImage } from '../../../src/seed/engine-source.ts';
import type { KnownLayer } from '../../../src/seed/known-images.ts';
import { buildManifest, onlyManifest, once } from '../../../src/seed/source/built-image.ts';
import { startFakeEngine } from '../../support/fake-engine.ts';
import { tarBytes } from '../../support/tar-file.ts';
import { tempDir } from '../../support/temp-dir.ts';

interface Built {
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
  readonly id: string;
}

/** An image as an engine has it: a configuration, and layers unpacked. */
async function built(...contents: readonly string[]): Promise<Built> {
  const layers = await Promise.all(contents.map((content) => tarBytes([{ name: 'file', content: content.repeat(1000) }])));
  const config = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => Digest.of(layer).toString()) },
    }),
  );
  return { config, layers, id: Digest.of(config).toString() };
}

interface Pushed {
  readonly root: RawManifest;
  readonly blobs: ReadonlyMap<string, Buffer>;
}

/** What a push of it gives, with the compressor of one version of the engine. */
function pushed({ config, layers }: Built, level: number): Pushed {
  const blobs = layers.map((layer) => gzipSync(layer, { level }));
  const descriptors = blobs.map((blob) => ({
    mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    digest: Digest.of(blob),
    size: blob.length,
  }));
  return { root: buildManifest(config, descriptors), blobs: new Map([config, ...blobs].map((blob) => [Digest.of(blob).toString(), blob])) };
}

function sourceOf({ root, blobs }: Pushed): ImageSource {
  return {
    name: 'staged',
    root: async () => root,
    manifest: async (digest) => onlyManifest(root, digest),
    blob: ({ digest }) => once(blobs.get(digest.toString())!),
    close: async () => undefined,
  };
}

interface World {
  /** At the origin, by `repository:tag` and `repository@digest`. */
  readonly origin: Map<string, RawManifest>;
  readonly known: Map<string, { manifest: Digest; repository: string }>;
  readonly layers: Map<string, { layer: KnownLayer; bytes: Buffer }>;
  readonly notes: string[];
}

async function find(
  t: ExecutionContext,
  image: Built,
  pushes: Pushed | undefined,
  world: Partial<World> = {},
): ReturnType<typeof findEngineImage> {
  const {
    origin = new Map<string, RawManifest>(),
    known = new Map<string, { manifest: Digest; repository: string }>(),
    layers = new Map<string, { layer: KnownLayer; bytes: Buffer }>(),
    notes = [],
  } = world;
  const saved = await archiveOf(image);
  const { host } = await startFakeEngine(
    t,
    ({ method, path }) => {
      if (path.endsWith('/json')) return { json: { Id: image.id, Size: 1, RepoDigests: [] } };
      if (path.endsWith('/get')) return { bytes: saved };
      if (path.endsWith('/push')) return { lines: [] };
      return method === 'POST' || method === 'DELETE' ? { json: {} } : undefined;
    },
    pushes === undefined ? 'elsewhere' : 'here',
  );
  const missing = (what: string): never => {
    throw new LayerswarmError('not-found', `${what} is not at the origin`);
  };
  const options: EngineSourceOptions = {
    engine: DockerEngine.at(host),
    image: 'team/app:1',
    tempFolder: tempDir(t),
    origin: {
      repository: 'team/app',
      tag: '1',
      isOwnName: () => true,
      registry: {
        url: 'http://origin.test',
        resolveTag: async (repository, tag) => origin.get(`${repository}:${tag}`)?.digest ?? missing(tag),
        manifest: async (repository, digest) => origin.get(`${repository}@${digest.toString()}`) ?? missing(digest.toString()),
        readBlob: () => missing('a blob'),
        tags: async () => [],
        referrers: async () => undefined,
      },
    },
    otherRegistry: () => {
      throw new Error('there is no other registry');
    },
    known: { seeded: (id) => known.get(id) },
    stored: async () => undefined,
    openStaging: async () => ({
      name: { repository: '127.0.0.1:1/team/app', tag: '1' },
      image: async () => sourceOf(pushes!),
      close: async () => undefined,
    }),
    knownLayer: async (diffId) => layers.get(diffId.toString())?.layer,
    readLayer: ({ descriptor }) => once([...layers.values()].find(({ layer }) => layer.descriptor.digest.equals(descriptor.digest))!.bytes),
    onNote: (line) => void notes.push(line),
    signal: AbortSignal.timeout(60_000),
  };
  const found = await findEngineImage(options);
  t.teardown(() => found.source.close());
  return found;
}

/** As `docker save` of 20.10. */
async function archiveOf({ config, layers }: Built): Promise<Buffer> {
  const name = `${createHash('sha256').update(config).digest('hex')}.json`;
  return await tarBytes([
    ...layers.map((content, index) => ({ name: `${index}/layer.tar`, content })),
    { name, content: config },
    {
      name: 'manifest.json',
      content: JSON.stringify([{ Config: name, RepoTags: ['team/app:1'], Layers: layers.map((_, index) => `${index}/layer.tar`) }]),
    },
  ]);
}

async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(bytes));
}

function remember(image: Built, { root, blobs }: Pushed): World['layers'] {
  const { layers } = parseManifest(root.bytes, root.mediaType) as ImageManifest;
  return new Map(
    layers.map((descriptor, index) => [
      Digest.of(image.layers[index]!).toString(),
      { layer: { descriptor, repository: 'team/base' }, bytes: blobs.get(descriptor.digest.toString())! },
    ]),
  );
}

test("an image that nobody knows has the digests of the engine's push", async (t) => {
  const image = await built('one', 'two');
  const push = pushed(image, 6);
  const { identity, id, source } = await find(t, image, push);
  t.deepEqual([identity, id], ['engine', image.id]);
  t.is((await source.root()).digest.toString(), push.root.digest.toString());
});

test('it keeps them under another name, after its bytes left this node and the engine compresses otherwise', async (t) => {
  const image = await built('one');
  const before = pushed(image, 6).root;
  const { identity, source } = await find(t, image, pushed(image, 1), {
    known: new Map([[image.id, { manifest: before.digest, repository: 'first/name' }]]),
    origin: new Map([[`first/name@${before.digest.toString()}`, before]]),
  });
  t.is(identity, 'seeded-before');
  t.is((await source.root()).digest.toString(), before.digest.toString());
});

test('what was seeded and is gone everywhere is pushed again', async (t) => {
  const image = await built('one');
  const push = pushed(image, 6);
  const { identity } = await find(t, image, push, {
    known: new Map([[image.id, { manifest: push.root.digest, repository: 'first/name' }]]),
  });
  t.is(identity, 'engine');
});

for (const [how, pushes] of [
  ['pushes', true],
  ['can only be read from', false],
] as const) {
  test(`of an image that the engine ${how}, layers that the origin has stay as they are there`, async (t) => {
    const base = await built('base');
    const atOrigin = pushed(base, 9);
    const derived = await built('base', 'new');
    const notes: string[] = [];
    const { source, identity } = await find(t, derived, pushes ? pushed(derived, 1) : undefined, {
      layers: remember(base, atOrigin),
      notes,
    });
    t.is(identity, pushes ? 'engine' : 'saved');
    if (!pushes) t.regex(notes.join('\n'), /uncompressed layers/);
    const root = await source.root();
    const { config, layers } = parseManifest(root.bytes, root.mediaType) as ImageManifest;
    t.is(config.digest.toString(), derived.id, 'the image id stays');
    t.is(
      layers[0]!.digest.toString(),
      (parseManifest(atOrigin.root.bytes, atOrigin.root.mediaType) as ImageManifest).layers[0]!.digest.toString(),
    );
    for (const [index, layer] of layers.entries()) {
      const bytes = await readAll(source.blob(layer));
      t.is(Digest.of(bytes).toString(), layer.digest.toString());
      t.is(bytes.length, layer.size);
      t.true((layer.mediaType.endsWith('gzip') ? gunzipSync(bytes) : bytes).equals(derived.layers[index]!));
    }
    t.is(layers[1]!.mediaType.endsWith('gzip'), pushes);
    t.true((await readAll(source.blob(config))).equals(derived.config));
  });
}
