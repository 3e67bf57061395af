import test from 'ava';
import { OCI_ERROR_STATUS, ociErrorBody, parseOciErrors } from '../../../src/oci/error-code.ts';
import { layerCompression, MANIFEST_ACCEPT, MediaType, mediaTypeEssence } from '../../../src/oci/media-type.ts';

test('manifests are asked for in every type but schema 1', (t) => {
  t.deepEqual(MANIFEST_ACCEPT.split(', ').sort(), [
    MediaType.dockerManifestList,
    MediaType.dockerManifest,
    MediaType.ociIndex,
    MediaType.ociManifest,
  ]);
});

const LAYERS: readonly [string, string | undefined][] = [
  [MediaType.ociLayer, 'none'],
  [MediaType.ociLayerGzip, 'gzip'],
  [MediaType.ociLayerZstd, 'zstd'],
  [MediaType.dockerLayer, 'none'],
  [MediaType.dockerLayerGzip, 'gzip'],
  [MediaType.dockerForeignLayer, 'gzip'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip'],
  [MediaType.ociConfig, undefined],
  ['application/vnd.oci.image.layer.v1.tar+enc', undefined],
];

for (const [mediaType, compression] of LAYERS) {
  test(`${mediaType} is compressed by ${compression ?? 'nothing known'}`, (t) => {
    t.is(layerCompression(mediaType), compression as ReturnType<typeof layerCompression>);
  });
}

test('a Content-Type loses its parameters and its case', (t) => {
  t.is(mediaTypeEssence('Application/JSON; charset=utf-8'), 'application/json');
  t.is(mediaTypeEssence(''), undefined);
  t.is(mediaTypeEssence(undefined), undefined);
});

test('an error body reads back, and its texts are bounded and printable', (t) => {
  t.deepEqual(parseOciErrors(ociErrorBody('BLOB_UNKNOWN', 'no such blob', { digest: 'x' })), [
    { code: 'BLOB_UNKNOWN', message: 'no such blob' },
  ]);
  const [hostile] = parseOciErrors(Buffer.from(JSON.stringify({ errors: [{ code: 'X', message: `\u001b[2J\n${'y'.repeat(1000)}` }] })));
  t.true(/^[\x20-\x7e]{1,200}$/.test(hostile?.message ?? ''));
  for (const body of ['', '<html>', '[]', '{"errors":{}}', '{"errors":[1]}']) t.deepEqual(parseOciErrors(Buffer.from(body)), []);
});

test('every error code has an HTTP error status', (t) => {
  for (const status of Object.values(OCI_ERROR_STATUS)) t.true(status >= 400 && status < 600);
});
