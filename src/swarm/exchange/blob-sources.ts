import { errorCode } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobRange } from '../../origin/origin.ts';
import type { BlobOrigin, BlobRequest, RangeUse } from '../swarm.ts';

interface Source {
  readonly repository: string;
  readonly origin: BlobOrigin;
}

/**
 * Where one blob may be read: one repository of one registry for each caller that shares the download. What the first may not read,
 * or cannot reach, another may: then that one is asked, and asked first from then on.
 */
export class BlobSources implements BlobOrigin {
  readonly #own: () => BlobOrigin | undefined;
  #requests: readonly BlobRequest[] = [];

  /** @param own the swarm's own origin, for requests that name none */
  constructor(own: () => BlobOrigin | undefined) {
    this.#own = own;
  }

  /** False when that is known already, or the caller wants nothing of origins. */
  add(request: BlobRequest): boolean {
    const { repository, origin, sources } = request;
    if (sources === 'peers' || this.#requests.some((known) => known.repository === repository && known.origin === origin)) return false;
    this.#requests = [...this.#requests, request];
    return true;
  }

  /** Whether there is any to ask now. */
  get isKnown(): boolean {
    return this.#requests.some(({ origin }) => (origin ?? this.#own()) !== undefined);
  }

  get url(): string {
    return this.#sources()[0]?.origin.url ?? '';
  }

  get ranges(): RangeUse {
    return this.#sources()[0]?.origin.ranges ?? 'heeded';
  }

  async blobSize(_repository: string, digest: Digest, signal?: AbortSignal): Promise<number> {
    let failure: unknown;
    for (const { repository, origin } of this.#sources()) {
      try {
        return await origin.blobSize(repository, digest, signal);
      } catch (error) {
        if (errorCode(error) === 'aborted' || signal?.aborted === true) throw error;
        failure ??= error;
      }
    }
    throw failure;
  }

  async *readBlob(_repository: string, digest: Digest, range: BlobRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    let failure: unknown;
    for (const { repository, origin } of this.#sources()) {
      let begun = false;
      try {
        for await (const chunk of origin.readBlob(repository, digest, range, signal)) {
          begun = true;
          yield chunk;
        }
        return;
      } catch (error) {
        if (begun || errorCode(error) === 'aborted' || signal?.aborted === true) throw error;
        failure ??= error;
        this.#putLast(repository, origin);
      }
    }
    throw failure;
  }

  #sources(): Source[] {
    return this.#requests.flatMap(({ repository, origin = this.#own() }) => (origin === undefined ? [] : [{ repository, origin }]));
  }

  #putLast(repository: string, failed: BlobOrigin): void {
    const isIt = (request: BlobRequest): boolean => request.repository === repository && (request.origin ?? this.#own()) === failed;
    this.#requests = [...this.#requests.filter((request) => !isIt(request)), ...this.#requests.filter(isIt)];
  }
}
