import { errorCode, LayerswarmError } from '../errors.ts';
import { Digest } from '../oci/digest.ts';
import { MAX_MANIFEST_BYTES, type RawManifest, rawManifest } from '../oci/manifest.ts';
import { MANIFEST_ACCEPT, mediaTypeEssence } from '../oci/media-type.ts';
import { checkRepositoryName, checkTag } from '../oci/name.ts';
import { BlobReader, parseContentRange } from './blob-reader.ts';
import type { BlobRange, Origin, OriginHealth } from './origin.ts';
import { RegistryHttp } from './registry-http.ts';
import { listReferrers, listRepositories, listTags } from './registry-lists.ts';
import type { RegistryOptions } from './registry-options.ts';
import { pullAccess } from './registry-request.ts';
import { RegistryUploads } from './registry-uploads.ts';
import { remoteReads, type RemoteReads } from './remote-reads.ts';
import type { RegistryWriter } from './registry-writer.ts';
import { type Answer, requireIdentity } from './transport.ts';

/** Milliseconds. */
const PROBE_TIMEOUT = 5_000;

/** Registries say any of these to HEAD where GET is answered: only that decides. */
const HEAD_FAILED = [400, 403, 404, 405, 406, 410, 500, 501] as const;

/** An OCI registry over HTTP(S) as the origin. Nothing that it says is believed before its digest agrees, except what a tag means. */
export class RegistryOrigin implements Origin {
  readonly url: string;
  /** The write side, over the same connections and credentials. */
  readonly writer: RegistryWriter;
  readonly reads: RemoteReads;
  readonly #http: RegistryHttp;
  readonly #blobs: BlobReader;
  /** As `/v2/` has it; registries that are no more than files have nothing there. */
  #isRegistry = true;
  #hasServed = false;
  #clockAheadMs: number | undefined;

  /** @throws LayerswarmError `config-invalid` */
  constructor(options: RegistryOptions) {
    this.#http = new RegistryHttp(options);
    this.#blobs = new BlobReader(this.#http);
    this.url = this.#http.place.href;
    this.writer = new RegistryUploads(this.#http);
    this.reads = remoteReads(this.#http);
  }

  get health(): OriginHealth {
    const { ranges } = this.#http;
    return {
      ...this.#orNone(this.#http.health.snapshot()),
      ...(ranges === undefined ? {} : { ranges }),
      ...(this.#clockAheadMs === undefined ? {} : { clockAheadMs: this.#clockAheadMs }),
    };
  }

  /** Where neither `/v2/` is there nor any repository has answered, some other server runs. */
  #orNone(health: OriginHealth): OriginHealth {
    if (this.#isRegistry || this.#hasServed || health.state !== 'ok') return health;
    const { reachedAt: _, ...rest } = health;
    return {
      ...rest,
      state: 'unreachable',
      reason: `${this.#http.url.host} answers 404 to /v2/, and nothing was read from it so far: it is no registry; check the URL`,
    };
  }

  async resolveTag(repository: string, tag: string, signal?: AbortSignal): Promise<Digest> {
    const what = `the tag ${repository}:${checkTag(tag)}`;
    const answer = await this.#manifestRequest('HEAD', what, repository, tag, signal, [200, ...HEAD_FAILED]);
    answer.discard();
    const type = mediaTypeEssence(answer.header('content-type'));
    if (type?.startsWith('application/vnd.docker.distribution.manifest.v1+') === true) throw schemaOne(what);
    const digest = answer.status === 200 ? Digest.tryParse(answer.header('docker-content-digest') ?? '') : undefined;
    return digest ?? (await this.#readManifest(what, repository, tag, undefined, signal)).digest;
  }

  async manifest(repository: string, digest: Digest, signal?: AbortSignal): Promise<RawManifest> {
    return this.#readManifest(`the manifest ${digest.toString()} of ${repository}`, repository, digest.toString(), digest, signal);
  }

  async blobSize(repository: string, digest: Digest, signal?: AbortSignal): Promise<number> {
    const what = `the size of ${digest.toString()} in ${repository}`;
    const request = { what, target: blobPath(repository, digest), access: pullAccess(repository), signal };
    try {
      const answer = await this.#http.send({ ...request, method: 'HEAD', accept: [200] });
      answer.discard();
      if (answer.contentLength !== undefined) return answer.contentLength;
    } catch (error) {
      // storage that was handed a URL signed for GET refuses HEAD
      if (!(error instanceof LayerswarmError) || (error.code !== 'origin-denied' && error.code !== 'unsupported')) throw error;
    }
    const answer = await this.#http.send({ ...request, method: 'GET', headers: { range: 'bytes=0-0' }, accept: [200, 206, 416] });
    answer.discard();
    // 416 to the first byte is the answer for an empty blob
    const total =
      answer.status === 200
        ? answer.contentLength
        : answer.status === 206
          ? parseContentRange(answer.header('content-range'))?.total
          : /^bytes \*\/0$/.test(answer.header('content-range') ?? '')
            ? 0
            : undefined;
    if (total === undefined) throw new LayerswarmError('unsupported', `${this.#http.url.host} does not say ${what}`);
    return total;
  }

  readBlob(repository: string, digest: Digest, range: BlobRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#blobs.read(repository, digest, range, signal);
  }

  readElsewhere(bytes: number): void {
    this.#http.countBytes(bytes);
  }

  tags(repository: string, signal?: AbortSignal): Promise<string[]> {
    return listTags(this.#http, repository, signal);
  }

  /** All repositories, where the registry lists them to this login (`/v2/_catalog` of distribution); undefined elsewhere. */
  repositories(signal?: AbortSignal): Promise<string[] | undefined> {
    return listRepositories(this.#http, signal);
  }

  referrers(repository: string, subject: Digest, artifactType?: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    return listReferrers(this.#http, repository, subject, artifactType, signal);
  }

  async probe(signal?: AbortSignal): Promise<OriginHealth> {
    const { health } = this.#http;
    const began = Date.now();
    try {
      // The client's own time-out, since silence is the answer that a probe is there to find.
      const answer = await this.#http.send({
        what: 'the version check',
        method: 'GET',
        target: '/v2/',
        access: { scopes: [] },
        accept: [200, 404],
        probe: true,
        headersTimeout: PROBE_TIMEOUT,
        signal,
      });
      answer.discard();
      // a part of a registry, under a path, need not have a version check of its own
      this.#isRegistry = answer.status === 200 || new URL(this.url).pathname !== '/';
      this.#clockAheadMs = clockAhead(answer.header('date'), began, Date.now()) ?? this.#clockAheadMs;
    } catch (error) {
      if (!(error instanceof LayerswarmError)) throw error;
    }
    return { ...this.health, ...this.#orNone(health.probed()) };
  }

  async close(): Promise<void> {
    this.#blobs.close();
    await this.#http.close();
  }

  async #readManifest(
    what: string,
    repository: string,
    reference: string,
    expected: Digest | undefined,
    signal: AbortSignal | undefined,
  ): Promise<RawManifest> {
    const answer = await this.#manifestRequest('GET', what, repository, reference, signal, [200]);
    let bytes: Buffer;
    try {
      requireIdentity(what, answer);
      bytes = await answer.bytes(MAX_MANIFEST_BYTES);
    } catch (error) {
      throw this.#http.failure(what, error, signal).error;
    }
    return this.#proven(what, bytes, expected, answer.header('content-type'));
  }

  #proven(what: string, bytes: Buffer, expected: Digest | undefined, mediaType: string | undefined): RawManifest {
    try {
      return rawManifest(bytes, { expected, mediaType }).raw;
    } catch (error) {
      if (expected !== undefined || errorCode(error) !== 'manifest-invalid') throw error;
      // a page of a proxy in between, rather than what somebody pushed under the tag
      throw new LayerswarmError(
        'unavailable',
        `${this.#http.url.host} answered something other than ${what}: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  async #manifestRequest(
    method: 'GET' | 'HEAD',
    what: string,
    repository: string,
    reference: string,
    signal: AbortSignal | undefined,
    accept: readonly number[],
  ): Promise<Answer> {
    const target = `/v2/${checkRepositoryName(repository)}/manifests/${reference}`;
    const answer = await this.#http.send({
      what,
      method,
      target,
      access: pullAccess(repository),
      headers: { accept: MANIFEST_ACCEPT },
      accept,
      signal,
    });
    this.#hasServed ||= answer.status === 200;
    return answer;
  }
}

function blobPath(repository: string, digest: Digest): string {
  return `/v2/${checkRepositoryName(repository)}/blobs/${digest.toString()}`;
}

function schemaOne(what: string): LayerswarmError {
  return new LayerswarmError(
    'manifest-invalid',
    `${what} is a Docker schema 1 manifest, which is no longer supported; push the image again with a current client`,
  );
}

/** How far this clock is ahead of the one that wrote `date` between `began` and `ended` (ms since the epoch). */
function clockAhead(date: string | undefined, began: number, ended: number): number | undefined {
  const theirs = date === undefined ? Number.NaN : Date.parse(date);
  // the header has whole seconds, cut off
  return Number.isNaN(theirs) || ended < began || ended - began > 2000 ? undefined : Math.round((began + ended) / 2 - (theirs + 500));
}
