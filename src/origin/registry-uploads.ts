import { createHash } from 'node:crypto';
import { errorCode, LayerswarmError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { Digest } from '../oci/digest.ts';
import type { RawManifest } from '../oci/manifest.ts';
import { MANIFEST_ACCEPT } from '../oci/media-type.ts';
import { checkRepositoryName, checkTag } from '../oci/name.ts';
import type { Access } from './auth.ts';
import { redirectTarget } from './redirect.ts';
import type { RegistryHttp } from './registry-http.ts';
import type { RegistryRequest } from './registry-request.ts';
import type { RegistryWriter } from './registry-writer.ts';
import type { Answer } from './transport.ts';

/** Milliseconds: registries move a blob between buckets before they answer the last request of an upload. */
const FINISH_TIMEOUT = 300_000;
const CANCEL_TIMEOUT = 2_000;

/** Pushes to an OCI registry: one POST and one PUT a blob, each upload begun anew when it breaks off. */
export class RegistryUploads implements RegistryWriter {
  readonly #http: RegistryHttp;

  constructor(http: RegistryHttp) {
    this.#http = http;
  }

  async blobExists(repository: string, digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const answer = await this.#http.send({
      what: `the blob ${digest.toString()} of ${repository}`,
      method: 'HEAD',
      target: `/v2/${checkRepositoryName(repository)}/blobs/${digest.toString()}`,
      access: push(repository),
      accept: [200, 404],
      signal,
    });
    answer.discard();
    return answer.status === 200;
  }

  async mountBlob(repository: string, digest: Digest, from: string, signal?: AbortSignal): Promise<boolean> {
    const query = new URLSearchParams({ mount: digest.toString(), from: this.#http.place.repository(checkRepositoryName(from)) });
    const answer = await this.#http.send(
      beginning(
        `mounting ${digest.toString()} of ${from} in ${repository}`,
        checkRepositoryName(repository),
        `?${query.toString()}`,
        [201, 202],
        push(repository, from),
        signal,
      ),
    );
    answer.discard();
    if (answer.status === 201) return true;
    await this.#cancel(repository, answer);
    return false;
  }

  async uploadBlob(
    repository: string,
    { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
    source: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<void> {
    const what = `uploading ${digest.toString()} to ${repository}`;
    checkRepositoryName(repository);
    // a broken upload is not continued: each try has one of its own
    await this.#http.retrying(what, signal, async () => {
      const begun = await this.#http.attempt(beginning(what, repository, '', [202], push(repository), signal));
      begun.discard();
      const target = this.#location(begun);
      target.searchParams.set('digest', digest.toString());
      try {
        const answer = await this.#http.attempt({
          what,
          method: 'PUT',
          target,
          access: push(repository),
          accept: [201],
          headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
          body: size === 0 ? Buffer.alloc(0) : () => checked(source(), digest, size, what),
          headersTimeout: FINISH_TIMEOUT,
          bulk: true,
          signal,
        });
        answer.discard();
        this.#checkDigest(what, answer, digest);
      } catch (error) {
        await this.#cancel(repository, begun);
        throw error;
      }
    });
    if (!(await this.blobExists(repository, digest, signal))) {
      throw new LayerswarmError(
        'digest-mismatch',
        `${this.#http.url.host} took ${digest.toString()} and does not have it in ${repository}`,
      );
    }
  }

  async putManifest(
    repository: string,
    manifest: RawManifest,
    tag?: string,
    signal?: AbortSignal,
  ): Promise<{ readonly subjectProcessed: boolean }> {
    const reference = tag === undefined ? manifest.digest.toString() : checkTag(tag);
    const what = `pushing the manifest ${repository}:${reference}`;
    const target = `/v2/${checkRepositoryName(repository)}/manifests/${reference}`;
    const answer = await this.#http.send({
      what,
      method: 'PUT',
      target,
      access: push(repository),
      accept: [201],
      headers: { 'content-type': manifest.mediaType },
      body: manifest.bytes,
      headersTimeout: FINISH_TIMEOUT,
      signal,
    });
    answer.discard();
    const head = await this.#http.send({
      what,
      method: 'HEAD',
      target,
      access: push(repository),
      accept: [200],
      headers: { accept: MANIFEST_ACCEPT },
      signal,
    });
    head.discard();
    this.#checkDigest(what, answer, manifest.digest);
    this.#checkDigest(what, head, manifest.digest);
    return { subjectProcessed: answer.header('oci-subject') !== undefined };
  }

  #location(answer: Answer): URL {
    return redirectTarget(answer.url, answer.header('location'));
  }

  /** Registries sweep uploads that nobody ends; ending one saves them the space until then. */
  async #cancel(repository: string, begun: Answer): Promise<void> {
    try {
      const answer = await this.#http.send({
        what: 'cancelling an upload',
        method: 'DELETE',
        target: this.#location(begun),
        access: push(repository),
        accept: [204, 202, 200, 404, 405],
        probe: true,
        signal: AbortSignal.timeout(CANCEL_TIMEOUT),
      });
      answer.discard();
    } catch (error) {
      // a courtesy: what made it necessary is what the caller hears of
      if (!(error instanceof LayerswarmError)) throw error;
    }
  }

  /** @throws LayerswarmError `digest-mismatch` when the registry names another digest than was sent */
  #checkDigest(what: string, answer: Answer, expected: Digest): void {
    const header = answer.header('docker-content-digest');
    const digest = header === undefined ? undefined : Digest.tryParse(header);
    // a registry may name the same content in its own algorithm
    if (header === undefined || (digest !== undefined && (digest.equals(expected) || digest.algorithm !== expected.algorithm))) return;
    throw new LayerswarmError('digest-mismatch', `${what}: sent ${expected.toString()}, the registry says ${header.slice(0, 150)}`);
  }
}

function beginning(
  what: string,
  repository: string,
  query: string,
  accept: readonly number[],
  access: Access,
  signal: AbortSignal | undefined,
): RegistryRequest {
  return {
    what,
    method: 'POST',
    target: `/v2/${repository}/blobs/uploads/${query}`,
    access,
    accept,
    headers: { 'content-length': '0' },
    signal,
  };
}

function push(repository: string, from?: string): Access {
  return { scopes: [`repository:${repository}:pull,push`, ...(from === undefined ? [] : [`repository:${from}:pull`])], repository };
}

/** Passes bytes on, and throws before the last of them when the whole is not what it should be: the registry sees no complete body then. */
async function* checked(
  source: AsyncIterable<Uint8Array>,
  digest: Digest,
  size: number,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* compared(source, digest, size, what);
  } catch (error) {
    // told apart from failures of the connection, which are worth another try
    if (error instanceof LayerswarmError) throw error;
    throw new LayerswarmError(errorCode(error), `${what}: its source failed`, { cause: error });
  }
}

async function* compared(
  source: AsyncIterable<Uint8Array>,
  digest: Digest,
  size: number,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash(digest.algorithm);
  let length = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > size) throw new LayerswarmError('size-mismatch', `${what}: the source gives more than ${size} bytes`);
    hash.update(chunk);
    if (held !== undefined) yield held;
    held = chunk;
  }
  if (length !== size) throw new LayerswarmError('size-mismatch', `${what}: the source gives ${length} of ${size} bytes`);
  const actual = Digest.fromHash(hash, digest.algorithm);
  if (!actual.equals(digest))
    throw new LayerswarmError('digest-mismatch', `${what}: the source gives bytes with digest ${actual.toString()}`);
  if (held !== undefined) yield held;
}
