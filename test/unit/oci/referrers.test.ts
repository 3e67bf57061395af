import test from 'ava';
import { Digest } from '../../../src/oci/digest.ts';
import { parseManifest, type RawManifest, rawManifest } from '../../../src/oci/manifest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { referrersIndex, referrersTag } from '../../../src/oci/referrers.ts';

const blob = (mediaType: string): object => ({ mediaType, digest: Digest.of(Buffer.from(mediaType)).toString(), size: 1 });
const raw = (document: object): RawManifest => rawManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))).raw;
const subject = blob(MediaType.ociManifest);

const signature = raw({
  mediaType: MediaType.ociManifest,
  artifactType: 'application/sig',
  config: blob(MediaType.ociEmpty),
  layers: [],
  subject,
  annotations: { a: 'b' },
});
const byConfig = raw({ mediaType: MediaType.ociManifest, config: blob('application/vnd.sbom'), layers: [], subject });
const index = raw({ mediaType: MediaType.ociIndex, manifests: [], subject });

function entries(bytes: Buffer): Record<string, unknown>[] {
  const manifest = parseManifest(bytes, MediaType.ociIndex);
  return manifest.kind === 'index' ? manifest.manifests.map((entry) => JSON.parse(JSON.stringify(entry)) as Record<string, unknown>) : [];
}

test('each referrer has its type, size, digest, artifact type and annotations', (t) => {
  const found = entries(referrersIndex([signature, byConfig, index, signature]));
  t.is(found.length, 3, 'each once');
  const entry = (manifest: RawManifest): unknown => found.find(({ digest }) => digest === manifest.digest.toString());
  t.deepEqual(entry(signature), {
    mediaType: MediaType.ociManifest,
    digest: signature.digest.toString(),
    size: signature.bytes.length,
    artifactType: 'application/sig',
    annotations: { a: 'b' },
  });
  t.deepEqual(entry(byConfig), {
    mediaType: MediaType.ociManifest,
    digest: byConfig.digest.toString(),
    size: byConfig.bytes.length,
    artifactType: 'application/vnd.sbom',
  });
  t.deepEqual(entry(index), { mediaType: MediaType.ociIndex, digest: index.digest.toString(), size: index.bytes.length });
});

test('the same referrers give the same bytes in any order', (t) => {
  t.deepEqual(referrersIndex([index, signature, byConfig]), referrersIndex([byConfig, index, signature]));
});

test('the filter leaves one artifact type, and an empty index is an answer', (t) => {
  t.deepEqual(
    entries(referrersIndex([signature, byConfig], 'application/sig')).map(({ digest }) => digest),
    [signature.digest.toString()],
  );
  t.deepEqual(entries(referrersIndex([signature], 'application/none')), []);
});

test('the fallback tag is the algorithm and at most 64 digits', (t) => {
  t.is(referrersTag(Digest.parse(`sha256:${'a'.repeat(64)}`)), `sha256-${'a'.repeat(64)}`);
  t.is(referrersTag(Digest.parse(`sha512:${'b'.repeat(128)}`)), `sha512-${'b'.repeat(64)}`);
});
