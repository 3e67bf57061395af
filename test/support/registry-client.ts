import { createHash } from 'node:crypto';

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** Of the bytes that came, whatever the headers say. */
  readonly digest: string;
}

/** GET, or HEAD, of a path of a registry; the body is read whole. */
export async function ask(registry: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(new URL(path, registry), { ...init, signal: init.signal ?? AbortSignal.timeout(120_000) });
  const bytes = Buffer.from(await response.arrayBuffer());
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
  };
}

/** @param reference tag or digest */
export function getManifest(registry: string, repository: string, reference: string, init: RequestInit = {}): Promise<Answer> {
  return ask(registry, `/v2/${repository}/manifests/${reference}`, {
    ...init,
    headers: { accept: ACCEPT, ...(init.headers as Record<string, string> | undefined) },
  });
}

export function getBlob(registry: string, repository: string, digest: string, init: RequestInit = {}): Promise<Answer> {
  return ask(registry, `/v2/${repository}/blobs/${digest}`, init);
}

/**
 * Pulls an image or an index with everything below it, as a runtime would, and checks every digest.
 * @returns blob bytes that came
 */
export async function pullEverything(registry: string, repository: string, reference: string): Promise<number> {
  const answer = await getManifest(registry, repository, reference);
  if (answer.status !== 200)
    throw new Error(`manifest ${repository}:${reference}: ${answer.status} ${answer.bytes.toString().slice(0, 500)}`);
  const said = answer.headers.get('docker-content-digest');
  if (said !== answer.digest) throw new Error(`manifest ${repository}:${reference} is ${answer.digest}, and the header says ${said}`);
  const manifest = JSON.parse(answer.bytes.toString()) as {
    manifests?: { digest: string }[];
    config?: { digest: string };
    layers?: { digest: string }[];
  };
  const children = await Promise.all((manifest.manifests ?? []).map(({ digest }) => pullEverything(registry, repository, digest)));
  const blobs = await Promise.all(
    [...(manifest.config === undefined ? [] : [manifest.config]), ...(manifest.layers ?? [])].map(async ({ digest }) => {
      const blob = await getBlob(registry, repository, digest);
      if (blob.status !== 200) throw new Error(`blob ${digest}: ${blob.status} ${blob.bytes.toString().slice(0, 500)}`);
      if (blob.digest !== digest) throw new Error(`blob ${digest} came as ${blob.digest}`);
      return blob.bytes.byteLength;
    }),
  );
  return [...children, ...blobs].reduce((sum, bytes) => sum + bytes, 0);
}
