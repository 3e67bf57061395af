import test from 'ava';
import * as fc from 'fast-check';
import { LayerswarmError } from '../../../src/errors.ts';
import { Digest } from '../../../src/oci/digest.ts';
import { linkedDescriptors, MAX_MANIFEST_BYTES, parseManifest, rawManifest, readManifest } from '../../../src/oci/manifest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';

const digestOf = (text: string): string => Digest.of(Buffer.from(text)).toString();
const config = { mediaType: MediaType.ociConfig, digest: digestOf('config'), size: 6 };
const layer = { mediaType: MediaType.ociLayerGzip, digest: digestOf('layer'), size: 5 };
const image = { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers: [layer] };
const child = { mediaType: MediaType.ociManifest, digest: digestOf('child'), size: 5, platform: { os: 'linux', architecture: 'amd64' } };
const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [child] };
const dockerImage = { ...image, mediaType: MediaType.dockerManifest, config: { ...config, mediaType: MediaType.dockerConfig } };
const bytes = (document: unknown): Buffer => Buffer.from(JSON.stringify(document));
const without = (document: object, key: string): object => Object.fromEntries(Object.entries(document).filter(([name]) => name !== key));

const ACCEPTED: readonly [string, unknown, string | undefined][] = [
  ['an OCI image', image, MediaType.ociManifest],
  ['an OCI index', index, MediaType.ociIndex],
  ['a Docker image', dockerImage, MediaType.dockerManifest],
  ['a Docker list', { ...index, mediaType: MediaType.dockerManifestList }, undefined],
  ['an OCI image that does not state its type', without(image, 'mediaType'), undefined],
  ['an OCI index that does not state its type', without(index, 'mediaType'), MediaType.ociIndex],
  ['an image without layers', { ...image, layers: [] }, undefined],
  ['an empty index', { ...index, manifests: [] }, undefined],
  ['a layer of no bytes', { ...image, layers: [{ ...layer, size: 0 }] }, undefined],
  ['a sha512 layer', { ...image, layers: [{ ...layer, digest: `sha512:${'a'.repeat(128)}` }] }, undefined],
  ['an artifact with a subject', { ...image, artifactType: 'application/vnd.example+json', subject: child }, undefined],
  ['an empty artifactType', { ...image, artifactType: '' }, undefined],
  ['unknown properties', { ...image, extension: { deep: [1, { a: null }] } }, undefined],
  ['an unknown media type of a layer', { ...image, layers: [{ ...layer, mediaType: 'application/vnd.example.model' }] }, undefined],
  ['embedded data that is right', { ...image, config: { ...config, data: Buffer.from('config').toString('base64') } }, undefined],
  ['an empty platform', { ...index, manifests: [{ ...child, platform: { os: '', architecture: '' } }] }, undefined],
];

for (const [title, document, mediaType] of ACCEPTED) {
  test(`${title} is accepted`, (t) => {
    const manifest = parseManifest(bytes(document), mediaType);
    t.is(manifest.kind, 'manifests' in (document as object) ? 'index' : 'image');
  });
}

/** What registries store and clients pull although the specifications do not allow it: followed all the same. */
const LENIENT: readonly [title: string, document: object, mediaType: string | undefined, links: number][] = [
  ['annotations: null', { ...image, annotations: null }, undefined, 2],
  ['annotations that are no text', { ...image, annotations: { a: 1 } }, undefined, 2],
  ['subject: null', { ...image, subject: null }, undefined, 2],
  ['artifactType: null', { ...image, artifactType: null }, undefined, 2],
  ['urls: null', { ...image, layers: [{ ...layer, urls: null }] }, undefined, 2],
  ['a url that is none', { ...image, config, layers: [layer, { ...layer, digest: digestOf('x'), urls: [] }] }, undefined, 3],
  ['layers: null', { ...image, layers: null }, undefined, 1],
  ['no layers', without(image, 'layers'), undefined, 1],
  ['manifests: null beside layers', { ...image, manifests: null }, undefined, 2],
  ['an empty mediaType', { ...image, mediaType: '' }, MediaType.ociManifest, 2],
  ['mediaType: null', { ...image, mediaType: null }, undefined, 2],
  ['a mediaType with a parameter', { ...image, mediaType: `${MediaType.ociManifest}; charset=utf-8` }, undefined, 2],
  ['a type other than announced', image, MediaType.dockerManifest, 2],
  ['a type of another kind than announced', image, MediaType.ociIndex, 2],
  ['an unknown media type', { ...image, mediaType: 'application/json' }, undefined, 2],
  ['a Docker image that does not state its type', without(dockerImage, 'mediaType'), MediaType.dockerManifest, 2],
  ['no schemaVersion', without(image, 'schemaVersion'), undefined, 2],
  ['a layer without type', { ...image, layers: [without(layer, 'mediaType')] }, undefined, 2],
  ['a layer with an empty type', { ...image, layers: [{ ...layer, mediaType: '' }] }, undefined, 2],
  [
    'a layer whose type has a parameter',
    { ...image, layers: [{ ...layer, mediaType: `${MediaType.ociLayerGzip}; foo=bar` }] },
    undefined,
    2,
  ],
  ['a malformed media type', { ...image, layers: [{ ...layer, mediaType: 'x' }] }, undefined, 2],
  ['embedded data that is wrong', { ...image, config: { ...config, data: 'x' } }, undefined, 2],
  ['platform: {}', { ...index, manifests: [{ ...child, platform: {} }] }, undefined, 1],
  ['platform: null', { ...index, manifests: [{ ...child, platform: null }] }, undefined, 1],
  ['a platform without os', { ...index, manifests: [{ ...child, platform: { architecture: 'amd64' } }] }, undefined, 1],
  ['a child without type', { ...index, manifests: [without(child, 'mediaType')] }, undefined, 1],
];

for (const [title, document, mediaType, links] of LENIENT) {
  test(`a manifest with ${title} is followed`, (t) => {
    const { blobs, children } = linkedDescriptors(parseManifest(bytes(document), mediaType));
    t.is(blobs.length + children.length, links);
  });
}

test('the type of a manifest is what the registry says, else what the document states, else what it lists', (t) => {
  const typeOf = (document: object, announced?: string): string => readManifest(bytes(document), announced).mediaType;
  t.is(typeOf(image, MediaType.dockerManifest), MediaType.dockerManifest);
  t.is(typeOf(image, `${MediaType.ociManifest}; charset=utf-8`), MediaType.ociManifest);
  t.is(typeOf(dockerImage, 'text/plain'), MediaType.dockerManifest);
  t.is(typeOf(without(dockerImage, 'mediaType')), MediaType.dockerManifest);
  t.is(typeOf({ manifests: [{ ...child, mediaType: MediaType.dockerManifest }] }), MediaType.dockerManifestList);
  t.is(typeOf(without(image, 'mediaType')), MediaType.ociManifest);
});

/** What cannot be followed: passed on under its digest, and refused where it has to be understood. */
const OPAQUE: readonly [string, Buffer][] = (
  [
    ['an image that is an index as well', { ...image, manifests: [] }],
    ['an index that is an image as well', { ...index, layers: [] }],
    ['no config', without(image, 'config')],
    ['a negative size', { ...image, layers: [{ ...layer, size: -1 }] }],
    ['a fractional size', { ...image, layers: [{ ...layer, size: 1.5 }] }],
    ['a size as text', { ...image, layers: [{ ...layer, size: '5' }] }],
    ['an upper-case digest', { ...image, layers: [{ ...layer, digest: layer.digest.toUpperCase() }] }],
    ['an md5 digest', { ...image, layers: [{ ...layer, digest: 'md5:d41d8cd98f00b204e9800998ecf8427e' }] }],
    ['a list', [image]],
    ['null', null],
  ] as [string, unknown][]
)
  .map(([title, document]): [string, Buffer] => [title, bytes(document)])
  .concat([
    ['no bytes', Buffer.alloc(0)],
    ['no JSON', Buffer.from('<html>')],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ['a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes(image)])],
    ['two documents', Buffer.concat([bytes(image), bytes(image)])],
  ]);

for (const [title, raw] of OPAQUE) {
  test(`a manifest with ${title} is passed on under its digest, and nothing of it is followed`, (t) => {
    const error = t.throws(() => parseManifest(raw), { instanceOf: LayerswarmError, code: 'manifest-invalid' });
    t.false(/[\n\r]/.test(error.message), 'one line');
    t.like(
      t.throws(() => rawManifest(raw)),
      { code: 'manifest-invalid' },
      'nothing proves it',
    );
    const { raw: kept, manifest } = rawManifest(raw, { expected: Digest.of(raw), mediaType: 'application/vnd.example+json' });
    t.is(manifest.kind, 'opaque');
    t.is(kept.mediaType, 'application/vnd.example+json');
    t.deepEqual(linkedDescriptors(manifest), { blobs: [], foreign: [], children: [], subject: undefined });
  });
}

/** What would harm whoever reads it, whoever vouches for it. */
const REFUSED: readonly [string, Buffer][] = [
  ['schema 1', bytes({ schemaVersion: 1, name: 'a', tag: 'b', fsLayers: [], history: [] })],
  ['a digest that is a path', bytes({ ...image, layers: [{ ...layer, digest: '../../etc/passwd' }] })],
  ['a size beyond what can be counted', bytes({ ...image, layers: [{ ...layer, size: 2 ** 60 }] })],
  ['too many layers', bytes({ ...image, layers: Array.from({ length: 10_001 }, () => layer) })],
  ['a million brackets', Buffer.alloc(1_000_000, '[')],
];

for (const [title, raw] of REFUSED) {
  test(`a manifest with ${title} is refused`, (t) => {
    const error = t.throws(() => readManifest(raw), { instanceOf: LayerswarmError, code: 'manifest-invalid' });
    t.false(/[\n\r]/.test(error.message), 'one line');
    t.throws(() => rawManifest(raw, { expected: Digest.of(raw) }), { code: 'manifest-invalid' });
  });
}

test('a manifest above 4 MiB is refused before it is parsed', (t) => {
  t.like(
    t.throws(() => parseManifest(Buffer.alloc(MAX_MANIFEST_BYTES + 1, ' '))),
    { code: 'too-large' },
  );
});

test('what is parsed keeps the particulars of each descriptor', (t) => {
  const manifest = parseManifest(
    bytes({
      ...image,
      artifactType: 'application/x',
      annotations: { a: 'b' },
      subject: child,
      layers: [{ ...layer, urls: ['https://example.com/l'], annotations: { k: 'v' }, artifactType: 'application/y' }],
    }),
  );
  t.deepEqual(JSON.parse(JSON.stringify(manifest)), {
    kind: 'image',
    mediaType: MediaType.ociManifest,
    artifactType: 'application/x',
    annotations: { a: 'b' },
    subject: child,
    config,
    layers: [{ ...layer, urls: ['https://example.com/l'], annotations: { k: 'v' }, artifactType: 'application/y' }],
  });
});

test('a raw manifest is checked against the digest that was asked for, in its algorithm', (t) => {
  const raw = bytes(image);
  t.is(rawManifest(raw).raw.digest.toString(), Digest.of(raw).toString());
  t.is(rawManifest(raw, { expected: Digest.of(raw, 'sha512') }).raw.digest.algorithm, 'sha512');
  t.like(
    t.throws(() => rawManifest(raw, { expected: Digest.of(Buffer.from('other')) })),
    { code: 'digest-mismatch' },
  );
});

test('links of an image: its config and layers once each, foreign layers apart', (t) => {
  const foreign = { ...layer, digest: digestOf('foreign'), urls: ['https://example.com/f'] };
  const windows = { mediaType: MediaType.dockerForeignLayer, digest: digestOf('windows'), size: 3 };
  const linked = linkedDescriptors(parseManifest(bytes({ ...image, layers: [layer, layer, foreign, windows], subject: child })));
  t.deepEqual(
    linked.blobs.map(({ digest }) => digest.toString()),
    [config.digest, layer.digest],
  );
  t.deepEqual(
    linked.foreign.map(({ digest }) => digest.toString()),
    [foreign.digest, windows.digest],
  );
  t.deepEqual(linked.children, []);
  t.is(linked.subject?.digest.toString(), child.digest);
});

test('links of an index: manifests as children, anything else as blobs', (t) => {
  const linked = linkedDescriptors(parseManifest(bytes({ ...index, manifests: [child, layer, child] })));
  t.deepEqual(
    linked.children.map(({ digest }) => digest.toString()),
    [child.digest],
  );
  t.deepEqual(
    linked.blobs.map(({ digest }) => digest.toString()),
    [layer.digest],
  );
});

test('whatever bytes come, parsing returns or refuses with a LayerswarmError', (t) => {
  const mutated = fc
    .tuple(fc.constantFrom(image, index, dockerImage), fc.nat(), fc.uint8Array({ minLength: 0, maxLength: 4 }))
    .map(([document, at, patch]) => {
      const raw = bytes(document);
      const start = at % raw.length;
      return Buffer.concat([raw.subarray(0, start), patch, raw.subarray(start + patch.length)]);
    });
  const shaped = fc
    .record(
      {
        schemaVersion: fc.oneof(fc.constant(2), fc.jsonValue()),
        mediaType: fc.oneof(fc.constantFrom<string>(MediaType.ociManifest, MediaType.ociIndex), fc.jsonValue()),
        config: fc.oneof(fc.constant(config), fc.jsonValue()),
        layers: fc.oneof(fc.array(fc.oneof(fc.constant(layer), fc.jsonValue())), fc.jsonValue()),
        manifests: fc.oneof(fc.array(fc.oneof(fc.constant(child), fc.jsonValue())), fc.jsonValue()),
        annotations: fc.jsonValue(),
        subject: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    .map(bytes);
  t.notThrows(() => {
    fc.assert(
      fc.property(
        fc.oneof(
          mutated,
          shaped,
          fc.json().map((text) => Buffer.from(text)),
          fc.uint8Array(),
        ),
        (raw) => {
          try {
            linkedDescriptors(parseManifest(raw));
            return true;
          } catch (error) {
            return error instanceof LayerswarmError && error.code === 'manifest-invalid';
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
