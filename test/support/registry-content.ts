import { randomBytes } from 'node:crypto';
import { Digest } from '../../src/oci/digest.ts';
import { MediaType } from '../../src/oci/media-type.ts';

/** Where to push, e.g. `{url: registry.url}`; written with plain `fetch`, so that it depends on nothing under test. */
export interface PushTarget {
  readonly url: string;
  readonly authorization?: string;
}

export interface PushedImage {
  readonly digest: Digest;
  readonly manifest: Buffer;
  readonly config: { readonly digest: Digest; readonly bytes: Buffer };
  readonly layers: readonly { readonly digest: Digest; readonly bytes: Buffer }[];
}

/** Pushes bytes as a blob: POST, then one PUT. */
export async function pushBlob(
  target: PushTarget,
  repository: string,
  bytes: Uint8Array,
  algorithm: 'sha256' | 'sha512' = 'sha256',
): Promise<Digest> {
  const digest = Digest.of(bytes, algorithm);
  const started = await send(target, 'POST', `/v2/${repository}/blobs/uploads/`);
  const location = new URL(started.headers.get('location') ?? '', target.url);
  location.searchParams.set('digest', digest.toString());
  await send(target, 'PUT', location.pathname + location.search, bytes, 'application/octet-stream');
  return digest;
}

/** @param reference tag or digest */
export async function pushManifest(
  target: PushTarget,
  repository: string,
  reference: string,
  document: object | Buffer,
  mediaType: string,
): Promise<{ digest: Digest; bytes: Buffer }> {
  const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
  await send(target, 'PUT', `/v2/${repository}/manifests/${reference}`, bytes, mediaType);
  return { digest: Digest.of(bytes), bytes };
}

/** An OCI index of one image, which is for linux/amd64. */
export async function pushIndex(
  target: PushTarget,
  repository: string,
  tag: string,
  { digest, manifest }: PushedImage,
): Promise<{ digest: Digest; bytes: Buffer }> {
  const platform = { os: 'linux', architecture: 'amd64' };
  const manifests = [{ mediaType: MediaType.ociManifest, digest, size: manifest.length, platform }];
  return await pushManifest(target, repository, tag, { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }, MediaType.ociIndex);
}

/** An OCI image with the given layers (opaque bytes, said to be uncompressed tars), or one random layer of 100 kB. */
export async function pushImage(
  target: PushTarget,
  repository: string,
  tag: string,
  layers: readonly Buffer[] = [randomBytes(100_000)],
  extra: object = {},
): Promise<PushedImage> {
  const digests = layers.map((layer) => Digest.of(layer).toString());
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: digests } }),
  );
  await pushBlob(target, repository, config);
  for (const layer of layers) await pushBlob(target, repository, layer);
  const { digest, bytes } = await pushManifest(
    target,
    repository,
    tag,
    {
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: { mediaType: MediaType.ociConfig, digest: Digest.of(config), size: config.length },
      layers: layers.map((layer) => ({ mediaType: MediaType.ociLayer, digest: Digest.of(layer), size: layer.length })),
      ...extra,
    },
    MediaType.ociManifest,
  );
  return {
    digest,
    manifest: bytes,
    config: { digest: Digest.of(config), bytes: config },
    layers: layers.map((layer) => ({ digest: Digest.of(layer), bytes: layer })),
  };
}

async function send(target: PushTarget, method: string, path: string, body?: Uint8Array, type?: string): Promise<Response> {
  const headers = {
    ...(target.authorization === undefined ? {} : { authorization: target.authorization }),
    ...(type === undefined ? {} : { 'content-type': type }),
  };
  const response = await fetch(new URL(path, target.url), {
    method,
    headers,
    ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return response;
}
