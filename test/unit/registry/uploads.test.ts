import test, { type ExecutionContext } from 'ava';
import { randomBytes } from 'node:crypto';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { errorCode, LayerswarmError } from '../../../src/errors.ts';
import { Digest } from '../../../src/oci/digest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { OciError } from '../../../src/registry/http-error.ts';
import { UploadSessions } from '../../../src/registry/push/upload-sessions.ts';
import type { BlobStore, WriteOptions } from '../../../src/store/blob-store.ts';
import { send, sendBytes } from '../../support/raw-http.ts';
import { pushBlob, pushImage } from '../../support/registry-content.ts';
import { type RegistryNode, startRegistryNode } from '../../support/registry-node.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { waitFor } from '../../support/wait-for.ts';

async function* parts(...bytes: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* bytes;
}

async function startSessions(
  t: ExecutionContext,
  options: { maxSessions?: number } = {},
): Promise<{ sessions: UploadSessions; folder: string; clock: { now: number } }> {
  const folder = tempDir(t, 'uploads');
  const clock = { now: 0 };
  const sessions = new UploadSessions({ folder, now: () => clock.now, ...options });
  await sessions.start();
  t.teardown(() => sessions.stop());
  return { sessions, folder, clock };
}

test('an upload keeps what arrived before its connection was lost', async (t) => {
  const { sessions } = await startSessions(t);
  const session = await sessions.create('a');
  await t.throwsAsync(
    session.append(
      (async function* lost() {
        yield Buffer.from('first ');
        throw new Error('gone');
      })(),
    ),
  );
  t.is(session.size, 6);
  await sessions.get(session.id, 'a').append(parts(Buffer.from('second')));
  const chunks: Buffer[] = [];
  for await (const chunk of session.bytes()) chunks.push(chunk);
  t.is(Buffer.concat(chunks).toString(), 'first second');
});

test('a client that comes back takes its upload over from a connection that is still open', async (t) => {
  const { sessions } = await startSessions(t);
  const session = await sessions.create('a');
  const { promise: stuck, resolve: release } = Promise.withResolvers<void>();
  const first = session.append(
    (async function* slow() {
      yield Buffer.from('1');
      await stuck;
      yield Buffer.from('never');
    })(),
  );
  await waitFor('the first byte', () => session.size === 1);
  await session.append(parts(Buffer.from('2')));
  t.is(session.size, 2);
  release();
  t.is(errorCode(await t.throwsAsync(first)), 'aborted');
  t.is(session.size, 2);
});

test('uploads are limited in number, and forgotten when nobody goes on with them', async (t) => {
  const { sessions, folder, clock } = await startSessions(t, { maxSessions: 2 });
  const old = await sessions.create('a');
  await old.append(parts(randomBytes(10)));
  clock.now = 3_000_000;
  const young = await sessions.create('a');
  t.is((await t.throwsAsync(sessions.create('a'), { instanceOf: OciError })).status, 429);
  clock.now = 3_600_001;
  await sessions.create('a');
  t.is(errorCode(t.throws(() => sessions.get(old.id, 'a'))), 'not-found');
  t.is(sessions.get(young.id, 'a'), young);
  t.deepEqual(await readdir(folder), []);
});

test('what an earlier run left is removed, and nothing else', async (t) => {
  const folder = tempDir(t, 'uploads');
  await writeFile(join(folder, '0b5e4f6c-7d8a-4b9c-8d0e-1f2a3b4c5d6e'), 'left');
  await writeFile(join(folder, 'notes.txt'), 'mine');
  const sessions = new UploadSessions({ folder, now: Date.now });
  await sessions.start();
  t.teardown(() => sessions.stop());
  t.deepEqual(await readdir(folder), ['notes.txt']);
});

/** A PATCH whose client goes away after `bytes`. */
function patchAndVanish(url: string, bytes: Buffer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const request = httpRequest(url, { method: 'PATCH', agent: false, headers: { 'content-length': String(bytes.length * 2) } });
  request.on('error', () => resolve());
  request.write(bytes, () => setImmediate(() => request.destroy()));
  request.on('close', resolve);
  return promise;
}

async function startUpload(node: RegistryNode): Promise<string> {
  const started = await send(`${node.url}/v2/team/app/blobs/uploads/`, { method: 'POST', body: '' });
  return node.url + started.headers.location!;
}

test('an upload goes on after a lost connection where it was', async (t) => {
  const node = await startRegistryNode(t, { origin: 'embedded' });
  const blob = randomBytes(200_000);
  const location = await startUpload(node);
  await patchAndVanish(location, blob.subarray(0, 100_000));
  const file = join(node.folder, 'uploads', location.split('/').at(-1)!);
  await waitFor('the bytes that arrived', async () => (await stat(file)).size === 100_000);
  const { headers } = await send(location);
  t.is(headers['range'], '0-99999');
  t.is(headers['docker-upload-uuid'], location.split('/').at(-1));
  await send(location, { method: 'PATCH', body: blob.subarray(100_000), headers: { 'content-range': '100000-199999' } });
  const ended = await send(`${location}?digest=${Digest.of(blob).toString()}`, { method: 'PUT', body: '' });
  t.is(ended.status, 201);
  t.deepEqual(await readdir(join(node.folder, 'uploads')), []);
});

test('a PUT that lost its connection can be sent again', async (t) => {
  const node = await startRegistryNode(t, { origin: 'embedded' });
  const blob = randomBytes(100_000);
  const location = await startUpload(node);
  const target = `${location}?digest=${Digest.of(blob).toString()}`;
  const request = httpRequest(target, { method: 'PUT', agent: false, headers: { 'content-length': String(blob.length) } });
  const closed = Promise.withResolvers<void>();
  request.on('error', () => closed.resolve());
  request.write(blob.subarray(0, 50_000), () => setImmediate(() => request.destroy()));
  await closed.promise;
  t.is((await send(target, { method: 'PUT', body: blob })).status, 201);
});

/** A store whose disk is full for blobs of that size and above. */
function fullAbove(limit: number): (store: BlobStore) => BlobStore {
  return (store) =>
    new Proxy(store, {
      get(target, name) {
        if (name === 'write') {
          return (source: AsyncIterable<Uint8Array>, options: WriteOptions) =>
            (options.expectedSize ?? 0) >= limit
              ? Promise.reject(new LayerswarmError('disk-full', 'the disk is full; make room'))
              : target.write(source, options);
        }
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
}

test('a full disk refuses a push clearly, keeps nothing of it, and loses nothing', async (t) => {
  const node = await startRegistryNode(t, { origin: 'embedded', wrapStore: fullAbove(50_000) });
  const image = await pushImage(node, 'team/app', 'v1', [randomBytes(1000)]);
  const error = await t.throwsAsync(pushBlob(node, 'team/app', randomBytes(60_000)));
  t.regex(error.message, /507 .*"DENIED".*disk is full/);
  t.deepEqual(await readdir(join(node.folder, 'uploads')), []);
  const kept = await send(`${node.url}/v2/team/app/manifests/v1`);
  t.deepEqual(kept.body, image.manifest);
  await t.notThrowsAsync(pushBlob(node, 'team/app', randomBytes(1000)));
});

for (const [title, headers, status, code] of [
  ['no range', { 'content-range': 'all of it' }, 400, 'BLOB_UPLOAD_INVALID'],
  ['a range of another length than its body', { 'content-range': '0-9' }, 400, 'SIZE_INVALID'],
  ['a range that begins later', { 'content-range': '5-7' }, 416, 'BLOB_UPLOAD_INVALID'],
] as const) {
  test(`a chunk with ${title} is ${status} ${code}`, async (t) => {
    const node = await startRegistryNode(t, { origin: 'embedded' });
    const answer = await send(await startUpload(node), { method: 'PATCH', body: 'abc', headers });
    t.is(answer.status, status);
    t.is((JSON.parse(answer.body.toString()) as { errors: { code: string }[] }).errors[0]?.code, code);
  });
}

test('an upload without a digest cannot end', async (t) => {
  const node = await startRegistryNode(t, { origin: 'embedded' });
  const location = await startUpload(node);
  t.is((await send(location, { method: 'PUT', body: 'x' })).status, 400);
  t.is((await send(`${location}?digest=sha256:short`, { method: 'PUT', body: 'x' })).status, 400);
});

test('what was pushed is there after a restart', async (t) => {
  const folder = tempDir(t, 'node');
  const undos: (() => void | Promise<void>)[] = [];
  const first = await startRegistryNode({ teardown: (undo) => undos.unshift(undo) }, { origin: 'embedded', folder });
  const image = await pushImage(first, 'team/app', 'v1');
  for (const undo of undos) await undo();
  const second = await startRegistryNode(t, { origin: 'embedded', folder });
  t.deepEqual((await send(`${second.url}/v2/team/app/manifests/v1`)).body, image.manifest);
  t.deepEqual((await send(`${second.url}/v2/team/app/blobs/${image.layers[0]!.digest.toString()}`)).body, image.layers[0]!.bytes);
});

test('an upload that would eat into the reserve of the disk is refused, also in chunks, and leaves nothing', async (t) => {
  const folder = tempDir(t, 'uploads');
  let room = 20_000_000;
  const sessions = new UploadSessions({
    folder,
    now: () => 0,
    makeRoom: async (bytes) => {
      room -= bytes;
      if (room < 0) throw new LayerswarmError('disk-full', 'no room');
    },
  });
  await sessions.start();
  t.teardown(() => sessions.stop());
  const session = await sessions.create('a');
  await session.append(parts(Buffer.alloc(1_000_000)));
  await session.append(parts(Buffer.alloc(1_000_000)));
  t.is(session.size, 2_000_000);
  await t.throwsAsync(session.append(parts(...Array.from({ length: 40 }, () => Buffer.alloc(1_000_000)))), { code: 'disk-full' });
  t.true(session.size <= 20_000_000);
  await session.close();
  t.deepEqual(await readdir(folder), []);
});

test('a manifest that is too large is answered before it is read, and its connection closed', async (t) => {
  const { registry, host } = await startRegistryNode(t, { origin: 'embedded' });
  const port = Number(new URL(registry.url).port);
  const answer = await sendBytes(
    port,
    `PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 100000000\r\n\r\n{`,
  );
  t.regex(answer, /^HTTP\/1\.1 413 /);
  t.regex(answer, /\r\nConnection: close\r\n/i);
  t.regex(answer, /SIZE_INVALID/);
});

test('a manifest that gives a wrong size for what it links is refused', async (t) => {
  const { url } = await startRegistryNode(t, { origin: 'embedded' });
  const image = await pushImage({ url }, 'app', 'v1');
  const right = JSON.parse(image.manifest.toString()) as { layers: { size: number }[]; config: { size: number } };
  for (const [what, document] of [
    ['layer', { ...right, layers: [{ ...right.layers[0], size: right.layers[0]!.size + 1 }] }],
    ['config', { ...right, config: { ...right.config, size: 0 } }],
  ] as const) {
    const answer = await send(`${url}/v2/app/manifests/v2`, {
      method: 'PUT',
      headers: { 'content-type': MediaType.ociManifest },
      body: JSON.stringify(document),
    });
    t.is(answer.status, 400, what);
    t.regex(answer.body.toString(), /SIZE_INVALID.*the manifest says that sha256:/);
  }
});
