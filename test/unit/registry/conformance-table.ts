import type { ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { Digest } from '../../../src/oci/digest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { type RawAnswer, type RawRequest, send } from '../../support/raw-http.ts';
import { pushBlob, pushImage, pushManifest, type PushedImage } from '../../support/registry-content.ts';

// The four categories of the conformance suite of distribution-spec 1.1 (conformance/0[1-4]_*_test.go), as tables of requests.

export interface Fixture {
  /** The node under test. */
  readonly url: string;
  /** Where content is pushed to: the node, or its origin. */
  readonly pushTo: string;
  readonly image: PushedImage;
  readonly t: ExecutionContext;
  readonly request: (path: string, request?: RawRequest) => Promise<RawAnswer>;
}

export interface Row {
  readonly title: string;
  readonly run: (fixture: Fixture) => Promise<void>;
}

export const REPOSITORY = 'conformance/app';
const DUMMY = Digest.of(Buffer.from('nobody pushed this')).toString();

export async function makeFixture(t: ExecutionContext, url: string, pushTo: string = url): Promise<Fixture> {
  const image = await pushImage({ url: pushTo }, REPOSITORY, 'v1');
  return { url, pushTo, image, t, request: (path, request) => send(new URL(path, url).href, request) };
}

function expectError({ t }: Fixture, answer: RawAnswer, status: number, code: string): void {
  t.is(answer.status, status);
  const { errors } = JSON.parse(answer.body.toString()) as { errors: { code: string; message: string }[] };
  t.is(errors[0]?.code, code);
  t.truthy(errors[0]?.message);
  t.is(answer.headers['content-type'], 'application/json');
}

function index(children: readonly { digest: Digest; bytes: Buffer }[], extra: object = {}): object {
  return {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: children.map(({ digest, bytes }) => ({ mediaType: MediaType.ociManifest, digest, size: bytes.length })),
    ...extra,
  };
}

async function artifact(f: Fixture, reference: string, fields: object): Promise<{ digest: Digest; bytes: Buffer; document: object }> {
  const empty = Buffer.from('{}');
  await pushBlob(f, REPOSITORY, empty);
  const layer = randomBytes(40);
  await pushBlob(f, REPOSITORY, layer);
  const document = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociEmpty, digest: Digest.of(empty), size: empty.length },
    layers: [{ mediaType: 'application/octet-stream', digest: Digest.of(layer), size: layer.length }],
    ...fields,
  };
  return { ...(await pushManifest(f, REPOSITORY, reference, document, MediaType.ociManifest)), document };
}

function subjectOf(image: PushedImage): object {
  return { mediaType: MediaType.ociManifest, digest: image.digest, size: image.manifest.length };
}

export const PULL: readonly Row[] = [
  {
    title: 'GET /v2/ is 200 and challenges nobody',
    async run({ t, request }) {
      for (const path of ['/v2/', '/v2']) {
        const answer = await request(path);
        t.is(answer.status, 200);
        t.is(answer.headers['www-authenticate'], undefined);
        t.is(answer.headers['docker-distribution-api-version'], 'registry/2.0');
      }
    },
  },
  ...(['HEAD', 'GET'] as const).flatMap((method): Row[] => [
    {
      title: `${method} of a blob that is not there is 404`,
      async run(f) {
        const answer = await f.request(`/v2/${REPOSITORY}/blobs/${DUMMY}`, { method });
        f.t.is(answer.status, 404);
        if (method === 'GET') expectError(f, answer, 404, 'BLOB_UNKNOWN');
        else f.t.is(answer.body.length, 0);
      },
    },
    {
      title: `${method} of a blob gives its digest and length`,
      async run({ t, request, image }) {
        const [layer] = image.layers;
        const answer = await request(`/v2/${REPOSITORY}/blobs/${layer!.digest.toString()}`, { method });
        t.is(answer.status, 200);
        t.is(answer.headers['docker-content-digest'], layer!.digest.toString());
        t.is(answer.headers['content-length'], String(layer!.bytes.length));
        t.deepEqual(answer.body, method === 'GET' ? layer!.bytes : Buffer.alloc(0));
      },
    },
    {
      title: `${method} of a manifest that is not there is 404`,
      async run(f) {
        for (const reference of ['.INVALID_MANIFEST_NAME', 'missing', DUMMY]) {
          const answer = await f.request(`/v2/${REPOSITORY}/manifests/${reference}`, { method });
          f.t.is(answer.status, 404);
          if (method === 'GET') expectError(f, answer, 404, 'MANIFEST_UNKNOWN');
        }
      },
    },
    {
      title: `${method} of a manifest by digest and by tag gives the same`,
      async run({ t, request, image }) {
        for (const reference of ['v1', image.digest.toString()]) {
          const answer = await request(`/v2/${REPOSITORY}/manifests/${reference}`, { method });
          t.is(answer.status, 200);
          t.is(answer.headers['docker-content-digest'], image.digest.toString());
          t.is(answer.headers['content-type'], MediaType.ociManifest);
          t.is(answer.headers['content-length'], String(image.manifest.length));
          t.is(answer.headers['etag'], `"${image.digest.toString()}"`);
          t.deepEqual(answer.body, method === 'GET' ? image.manifest : Buffer.alloc(0));
        }
      },
    },
  ]),
  {
    title: 'a malformed digest is 400',
    async run(f) {
      expectError(f, await f.request(`/v2/${REPOSITORY}/manifests/sha256:totallywrong`), 400, 'DIGEST_INVALID');
      expectError(f, await f.request(`/v2/${REPOSITORY}/manifests/sha256:12`), 400, 'DIGEST_INVALID');
      expectError(f, await f.request(`/v2/${REPOSITORY}/blobs/sha1:${'0'.repeat(40)}`), 400, 'DIGEST_INVALID');
      expectError(f, await f.request('/v2/Upper/Case/manifests/v1'), 400, 'NAME_INVALID');
    },
  },
  {
    title: 'percent-encoded digests are understood',
    async run({ t, request, image }) {
      const answer = await request(`/v2/${REPOSITORY}/manifests/${encodeURIComponent(image.digest.toString())}`);
      t.is(answer.status, 200);
    },
  },
];

export const PUSH: readonly Row[] = [
  {
    title: 'a streamed upload is POST, PATCH without Content-Length, PUT',
    async run({ t, url, request }) {
      const blob = randomBytes(70_000);
      const started = await request(`/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST', body: '' });
      t.is(started.status, 202);
      t.is(started.headers['range'], '0-0');
      const streamed = { method: 'PATCH', body: new Blob([blob]).stream(), duplex: 'half' };
      const patched = await fetch(new URL(started.headers.location!, url), streamed);
      t.is(patched.status, 202);
      t.is(patched.headers.get('range'), `0-${blob.length - 1}`);
      const ended = await request(`${patched.headers.get('location')!}?digest=${Digest.of(blob).toString()}`, { method: 'PUT', body: '' });
      t.is(ended.status, 201);
      t.is(ended.headers['docker-content-digest'], Digest.of(blob).toString());
      const back = await request(ended.headers.location!);
      t.deepEqual(back.body, blob);
    },
  },
  {
    title: 'a monolithic upload is POST, PUT',
    async run({ t, url, request }) {
      const blob = randomBytes(70_000);
      const digest = await pushBlob({ url }, REPOSITORY, blob);
      t.deepEqual((await request(`/v2/${REPOSITORY}/blobs/${digest.toString()}`)).body, blob);
    },
  },
  {
    title: 'a POST with digest and body is 201 at once',
    async run({ t, request }) {
      const blob = randomBytes(1000);
      const digest = Digest.of(blob).toString();
      const answer = await request(`/v2/${REPOSITORY}/blobs/uploads/?digest=${digest}`, {
        method: 'POST',
        body: blob,
        headers: { 'content-type': 'application/octet-stream' },
      });
      t.is(answer.status, 201);
      t.is(answer.headers.location, `/v2/${REPOSITORY}/blobs/${digest}`);
      t.deepEqual((await request(answer.headers.location!)).body, blob);
    },
  },
  {
    title: 'a chunked upload refuses chunks out of order with 416 and goes on after them',
    async run(f) {
      const { t, request } = f;
      const blob = randomBytes(30_000);
      const chunks = [blob.subarray(0, 12_000), blob.subarray(12_000)] as const;
      const started = await request(`/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST', body: '' });
      const location = started.headers.location!;
      const chunk = (bytes: Buffer, start: number): RawRequest => ({
        method: 'PATCH',
        body: bytes,
        headers: { 'content-range': `${start}-${start + bytes.length - 1}` },
      });
      t.is((await request(location, chunk(chunks[1], 12_000))).status, 416);
      const first = await request(location, chunk(chunks[0], 0));
      t.is(first.status, 202);
      t.is(first.headers['range'], '0-11999');
      const again = await request(location, chunk(chunks[0], 0));
      t.is(again.status, 416);
      t.is(again.headers['range'], '0-11999');
      t.is(again.headers.location, location);
      const state = await request(location);
      t.is(state.status, 204);
      t.is(state.headers['range'], '0-11999');
      t.is((await request(location, chunk(chunks[1], 12_000))).status, 202);
      const ended = await request(`${location}?digest=${Digest.of(blob).toString()}`, { method: 'PUT', body: '' });
      t.is(ended.status, 201);
      t.deepEqual((await request(ended.headers.location!)).body, blob);
      expectError(f, await request(location), 404, 'BLOB_UPLOAD_UNKNOWN');
    },
  },
  {
    title: 'the last chunk may come with the PUT',
    async run({ t, request }) {
      const blob = randomBytes(3000);
      const { headers } = await request(`/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST', body: '' });
      await request(headers.location!, { method: 'PATCH', body: blob.subarray(0, 1000) });
      const ended = await request(`${headers.location!}?digest=${Digest.of(blob).toString()}`, {
        method: 'PUT',
        body: blob.subarray(1000),
        headers: { 'content-range': '1000-2999' },
      });
      t.is(ended.status, 201);
    },
  },
  {
    title: 'bytes that do not fit their digest are refused and forgotten',
    async run(f) {
      const { headers } = await f.request(`/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST', body: '' });
      expectError(
        f,
        await f.request(`${headers.location!}?digest=${DUMMY}`, { method: 'PUT', body: 'something else' }),
        400,
        'DIGEST_INVALID',
      );
      f.t.is((await f.request(`/v2/${REPOSITORY}/blobs/${DUMMY}`)).status, 404);
    },
  },
  {
    title: 'an upload can be cancelled',
    async run(f) {
      const { headers } = await f.request(`/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST', body: '' });
      f.t.is((await f.request(headers.location!, { method: 'DELETE' })).status, 204);
      expectError(f, await f.request(headers.location!), 404, 'BLOB_UPLOAD_UNKNOWN');
    },
  },
  {
    title: 'an upload belongs to its repository',
    async run(f) {
      const { headers } = await f.request(`/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST', body: '' });
      expectError(f, await f.request(headers.location!.replace(REPOSITORY, 'other/app')), 404, 'BLOB_UPLOAD_UNKNOWN');
    },
  },
  {
    title: 'a blob is mounted from a repository that holds it, and uploaded where it does not',
    async run({ t, request, image }) {
      const digest = image.layers[0]!.digest.toString();
      const mounted = await request(`/v2/other/app/blobs/uploads/?mount=${digest}&from=${REPOSITORY}`, { method: 'POST', body: '' });
      t.is(mounted.status, 201);
      t.is(mounted.headers.location, `/v2/other/app/blobs/${digest}`);
      t.deepEqual((await request(mounted.headers.location!)).body, image.layers[0]!.bytes);
      for (const query of [`mount=${digest}`, `mount=${digest}&from=third/app`, `mount=${DUMMY}&from=${REPOSITORY}`]) {
        const started = await request(`/v2/fourth/app/blobs/uploads/?${query}`, { method: 'POST', body: '' });
        t.is(started.status, 202);
        t.truthy(started.headers.location);
      }
      t.is((await request(`/v2/fourth/app/blobs/${digest}`)).status, 404);
    },
  },
  {
    title: 'a manifest by tag and by digest is 201 with its digest',
    async run({ t, request, image }) {
      for (const reference of ['v2', image.digest.toString()]) {
        const answer = await request(`/v2/${REPOSITORY}/manifests/${reference}`, {
          method: 'PUT',
          body: image.manifest,
          headers: { 'content-type': MediaType.ociManifest },
        });
        t.is(answer.status, 201);
        t.is(answer.headers['docker-content-digest'], image.digest.toString());
        t.is(answer.headers.location, `/v2/${REPOSITORY}/manifests/${image.digest.toString()}`);
      }
    },
  },
  {
    title: 'a manifest whose bytes do not fit the digest is 400',
    async run(f) {
      expectError(
        f,
        await f.request(`/v2/${REPOSITORY}/manifests/${DUMMY}`, {
          method: 'PUT',
          body: f.image.manifest,
          headers: { 'content-type': MediaType.ociManifest },
        }),
        400,
        'DIGEST_INVALID',
      );
    },
  },
  {
    title: 'a manifest whose blobs are missing is MANIFEST_BLOB_UNKNOWN',
    async run(f) {
      const elsewhere = await f.request('/v2/empty/app/manifests/v1', {
        method: 'PUT',
        body: f.image.manifest,
        headers: { 'content-type': MediaType.ociManifest },
      });
      expectError(f, elsewhere, 404, 'MANIFEST_BLOB_UNKNOWN');
      const children = await f.request(`/v2/${REPOSITORY}/manifests/index`, {
        method: 'PUT',
        headers: { 'content-type': MediaType.ociIndex },
        body: JSON.stringify(index([{ digest: Digest.parse(DUMMY), bytes: Buffer.alloc(2) }])),
      });
      expectError(f, children, 404, 'MANIFEST_BLOB_UNKNOWN');
    },
  },
  {
    title: 'a malformed or too large manifest is refused',
    async run(f) {
      const put = (body: Buffer | string): Promise<RawAnswer> =>
        f.request(`/v2/${REPOSITORY}/manifests/bad`, { method: 'PUT', body, headers: { 'content-type': MediaType.ociManifest } });
      expectError(f, await put('{'), 400, 'MANIFEST_INVALID');
      expectError(f, await put('{"schemaVersion":2}'), 400, 'MANIFEST_INVALID');
      expectError(f, await put(Buffer.alloc(4 * 1024 * 1024 + 1, 0x20)), 413, 'SIZE_INVALID');
    },
  },
  {
    title: 'a manifest without layers, an index and an artifact are accepted as they are',
    async run(f) {
      const none = await artifact(f, 'none', { layers: [] });
      const list = await pushManifest(
        f,
        REPOSITORY,
        'index',
        index([{ digest: f.image.digest, bytes: f.image.manifest }, none]),
        MediaType.ociIndex,
      );
      for (const { digest, bytes } of [none, list])
        f.t.deepEqual((await f.request(`/v2/${REPOSITORY}/manifests/${digest.toString()}`)).body, bytes);
    },
  },
  {
    title: 'zero-byte and sha512 blobs are blobs like any other',
    async run({ t, url, request }) {
      const empty = await pushBlob({ url }, REPOSITORY, Buffer.alloc(0));
      const answer = await request(`/v2/${REPOSITORY}/blobs/${empty.toString()}`);
      t.is(answer.status, 200);
      t.is(answer.headers['content-length'], '0');
      const bytes = randomBytes(5000);
      const long = await pushBlob({ url }, REPOSITORY, bytes, 'sha512');
      t.deepEqual((await request(`/v2/${REPOSITORY}/blobs/${long.toString()}`)).body, bytes);
    },
  },
];

export const TAGS: readonly Row[] = [
  {
    title: 'tags come in lexical order, with n, last and Link',
    async run({ t, request, image, pushTo }) {
      for (const tag of ['v10', 'v2', 'a', 'Z'])
        await pushManifest({ url: pushTo }, REPOSITORY, tag, image.manifest, MediaType.ociManifest);
      const list = async (query: string): Promise<{ tags: string[]; link: string | undefined }> => {
        const answer = await request(`/v2/${REPOSITORY}/tags/list${query}`);
        t.is(answer.status, 200);
        const { name, tags } = JSON.parse(answer.body.toString()) as { name: string; tags: string[] };
        t.is(name, REPOSITORY);
        return { tags, link: answer.headers['link'] as string | undefined };
      };
      t.deepEqual(await list(''), { tags: ['Z', 'a', 'v1', 'v10', 'v2'], link: undefined });
      t.deepEqual(await list('?n=0'), { tags: [], link: undefined });
      const first = await list('?n=2');
      t.deepEqual(first.tags, ['Z', 'a']);
      const next = /^<(.*)>; rel="next"$/.exec(first.link!)![1]!;
      const second = await request(next);
      t.deepEqual(JSON.parse(second.body.toString()), { name: REPOSITORY, tags: ['v1', 'v10'] });
      t.deepEqual(await list('?n=2&last=v10'), { tags: ['v2'], link: undefined });
      t.deepEqual(await list('?last=v2'), { tags: [], link: undefined });
      t.is((await request(`/v2/${REPOSITORY}/tags/list?n=-1`)).status, 400);
    },
  },
  {
    title: 'tags of a repository that is not there are 404',
    run: async (f) => expectError(f, await f.request('/v2/no/such/tags/list'), 404, 'NAME_UNKNOWN'),
  },
];

export const REFERRERS: readonly Row[] = [
  {
    title: 'referrers of a digest that nothing refers to are an empty index',
    async run({ t, request }) {
      const answer = await request(`/v2/${REPOSITORY}/referrers/${DUMMY}`);
      t.is(answer.status, 200);
      t.is(answer.headers['content-type'], MediaType.ociIndex);
      t.deepEqual(JSON.parse(answer.body.toString()), { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] });
    },
  },
  {
    title: 'referrers of a malformed digest are 400',
    run: async (f) => expectError(f, await f.request(`/v2/${REPOSITORY}/referrers/sha256:bad`), 400, 'DIGEST_INVALID'),
  },
  {
    title: 'referrers are listed with their type, and filtered',
    async run(f) {
      const { t, request, image } = f;
      const put = await request(`/v2/${REPOSITORY}/manifests/sbom`, {
        method: 'PUT',
        headers: { 'content-type': MediaType.ociManifest },
        body: JSON.stringify((await artifact(f, 'plain', { artifactType: 'application/vnd.test.sbom' })).document),
      });
      t.is(put.headers['oci-subject'], undefined);
      const sbom = await artifact(f, 'sbom', {
        artifactType: 'application/vnd.test.sbom',
        subject: subjectOf(image),
        annotations: { 'org.test': 'yes' },
      });
      const signature = await artifact(f, 'signature', { artifactType: 'application/vnd.test.signature', subject: subjectOf(image) });
      const answer = await request(`/v2/${REPOSITORY}/referrers/${image.digest.toString()}`);
      const listed = JSON.parse(answer.body.toString()) as {
        manifests: { digest: string; artifactType: string; annotations?: object; size: number }[];
      };
      t.deepEqual(listed.manifests.map(({ digest }) => digest).sort(), [sbom, signature].map(({ digest }) => digest.toString()).sort());
      t.is(answer.headers['oci-filters-applied'], undefined);
      const filtered = await request(`/v2/${REPOSITORY}/referrers/${image.digest.toString()}?artifactType=application/vnd.test.sbom`);
      t.is(filtered.headers['oci-filters-applied'], 'artifactType');
      const [only, ...others] = (JSON.parse(filtered.body.toString()) as typeof listed).manifests;
      t.deepEqual(others, []);
      t.like(only, {
        digest: sbom.digest.toString(),
        artifactType: 'application/vnd.test.sbom',
        annotations: { 'org.test': 'yes' },
        size: sbom.bytes.length,
      });
    },
  },
  {
    title: 'a manifest with a subject is answered with OCI-Subject, also where the subject is not there',
    async run(f) {
      for (const subject of [subjectOf(f.image), { mediaType: MediaType.ociManifest, digest: DUMMY, size: 10 }]) {
        const { document } = await artifact(f, 'seed', {});
        const answer = await f.request(`/v2/${REPOSITORY}/manifests/about`, {
          method: 'PUT',
          headers: { 'content-type': MediaType.ociManifest },
          body: JSON.stringify({ ...document, subject }),
        });
        f.t.is(answer.status, 201);
        f.t.is(answer.headers['oci-subject'], String((subject as { digest: unknown }).digest));
      }
    },
  },
];

export const MANAGEMENT: readonly Row[] = [
  {
    title: 'DELETE of a tag leaves the manifest',
    async run(f) {
      f.t.is((await f.request(`/v2/${REPOSITORY}/manifests/v1`, { method: 'DELETE' })).status, 202);
      expectError(f, await f.request(`/v2/${REPOSITORY}/manifests/v1`), 404, 'MANIFEST_UNKNOWN');
      f.t.is((await f.request(`/v2/${REPOSITORY}/manifests/${f.image.digest.toString()}`)).status, 200);
      expectError(f, await f.request(`/v2/${REPOSITORY}/manifests/v1`, { method: 'DELETE' }), 404, 'MANIFEST_UNKNOWN');
    },
  },
  {
    title: 'DELETE of a manifest takes its tags with it',
    async run(f) {
      const path = `/v2/${REPOSITORY}/manifests/${f.image.digest.toString()}`;
      f.t.is((await f.request(path, { method: 'DELETE' })).status, 202);
      expectError(f, await f.request(path), 404, 'MANIFEST_UNKNOWN');
      expectError(f, await f.request(`/v2/${REPOSITORY}/manifests/v1`), 404, 'MANIFEST_UNKNOWN');
      const tags = await f.request(`/v2/${REPOSITORY}/tags/list`);
      f.t.deepEqual(JSON.parse(tags.body.toString()), { name: REPOSITORY, tags: [] });
      expectError(f, await f.request(path, { method: 'DELETE' }), 404, 'MANIFEST_UNKNOWN');
    },
  },
  {
    title: 'DELETE of a blob waits for its manifests, takes it out of one repository, and off the disk with the last',
    async run(f) {
      const digest = f.image.layers[0]!.digest.toString();
      await f.request(`/v2/other/app/blobs/uploads/?mount=${digest}&from=${REPOSITORY}`, { method: 'POST', body: '' });
      expectError(f, await f.request(`/v2/${REPOSITORY}/blobs/${digest}`, { method: 'DELETE' }), 405, 'UNSUPPORTED');
      f.t.is((await f.request(`/v2/${REPOSITORY}/blobs/${digest}`)).status, 200);
      await f.request(`/v2/${REPOSITORY}/manifests/${f.image.digest.toString()}`, { method: 'DELETE' });
      f.t.is((await f.request(`/v2/${REPOSITORY}/blobs/${digest}`, { method: 'DELETE' })).status, 202);
      expectError(f, await f.request(`/v2/${REPOSITORY}/blobs/${digest}`), 404, 'BLOB_UNKNOWN');
      f.t.is((await f.request(`/v2/other/app/blobs/${digest}`)).status, 200);
      f.t.is((await f.request(`/v2/other/app/blobs/${digest}`, { method: 'DELETE' })).status, 202);
      expectError(f, await f.request(`/v2/other/app/blobs/${digest}`), 404, 'BLOB_UNKNOWN');
    },
  },
];
