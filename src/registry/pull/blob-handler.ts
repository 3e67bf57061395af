import type { OutgoingHttpHeaders } from 'node:http';
import { errorCode, LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { BlobReader } from '../../store/blob-store.ts';
import { isStoreRefusal } from '../../store/store-error.ts';
import type { BlobFetch } from '../../swarm/swarm.ts';
import type { RegistryRequest, RegistryResponse, StreamedBody } from '../http/message.ts';
import { type ByteRange, parseRange } from '../http/range.ts';
import type { Parameters } from '../http/router.ts';
import { abortable } from '../images/single-flight.ts';
import type { Repository } from '../namespace.ts';
import type { Upstream } from '../upstream.ts';
import { untilCertain } from './first-byte.ts';
import { lazyRange } from './lazy-range.ts';
import { passThrough } from './pass-through.ts';
import { type BlobServedFrom, HEADERS_MARGIN_MS, isPullFailure, PULL_HEADER, type PullContext } from './pull-context.ts';

/** `GET` and `HEAD /v2/<name>/blobs/<digest>`. */
export async function getBlob(context: PullContext, request: RegistryRequest, parameters: Parameters): Promise<RegistryResponse> {
  const headersDue = performance.now() + context.deadlineMs - HEADERS_MARGIN_MS;
  const repository = context.namespaces.repository(parameters['name']!, request.query);
  const digest = Digest.parse(parameters['digest']!);
  const upstream = context.upstreamOf(repository);
  const size = await upstream.resolver.access.check(repository, digest, request.signal);
  if (request.method === 'HEAD' && size !== undefined) return { status: 200, headers: blobHeaders(digest, size) };

  const reader = await openHeld(context, digest);
  const failed = (error: unknown): void => {
    if (isPullFailure(error)) context.observer.blobFailed({ repository: repository.full, digest, error: (error as Error).message });
  };
  const served =
    reader === undefined
      ? await fetchBlob(context, { upstream, request, repository, digest, headersDue, failed }, size).catch((error: unknown) => {
          failed(error);
          throw error;
        })
      : await storedBlob(context, { upstream, request, repository, digest, headersDue, failed }, reader);
  const pull = context.observer.blobServed({ repository: repository.full, digest, size: served.size, source: served.source });
  return pull === undefined ? served.response : { ...served.response, headers: { ...served.response.headers, [PULL_HEADER]: pull } };
}

interface ServedBlob {
  readonly size: number;
  readonly source: BlobServedFrom;
  readonly response: RegistryResponse;
}

async function storedBlob(context: PullContext, wanted: WantedBlob, reader: BlobReader): Promise<ServedBlob> {
  const release = (): Promise<void> => reader.close();
  try {
    const response = blobResponse(
      wanted.request,
      wanted.digest,
      reader.size,
      (range) => ({ length: range.end - range.start, bytes: (signal) => storedBytes(context, wanted, reader, range, signal) }),
      release,
    );
    return { size: reader.size, source: 'store', response };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The bytes of a blob that is here; where the disk turns out to have changed or lost them, it is put aside, and the rest comes as that of any other. */
async function* storedBytes(
  context: PullContext,
  wanted: WantedBlob,
  reader: BlobReader,
  { start, end }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let position = start;
  try {
    for await (const chunk of reader.stream(start, end, { reuse: true })) {
      yield chunk;
      position += chunk.length;
    }
    return;
  } catch (error) {
    if (errorCode(error) !== 'digest-mismatch' && !isStoreRefusal(error)) throw error;
  }
  const {
    upstream: { exchange, resolver },
    repository,
    digest,
  } = wanted;
  const fetch = exchange.fetch({ digest, repository: repository.name, shared: !resolver.isExcluded(repository.name), size: reader.size });
  try {
    yield* telling(mended(context, wanted, fetch, { start: position, end }, signal), wanted.failed);
  } finally {
    fetch.release();
  }
}

interface WantedBlob {
  readonly upstream: Upstream;
  readonly request: RegistryRequest;
  readonly repository: Repository;
  readonly digest: Digest;
  /** On the monotonic clock, in ms. */
  readonly headersDue: number;
  /** Told of the error that the answer, or its body, ends in. */
  readonly failed: (error: unknown) => void;
}

async function fetchBlob(context: PullContext, wanted: WantedBlob, known: number | undefined): Promise<ServedBlob> {
  const {
    upstream: { resolver, exchange },
    request,
    repository,
    digest,
  } = wanted;
  // a 503 sends containerd to its next host, a cut body back here
  await resolver.availability.requireBlob(repository.name, digest, request.signal);
  const fetch = exchange.fetch({
    digest,
    repository: repository.name,
    shared: !resolver.isExcluded(repository.name),
    pull: context.observer.pullOf(repository.full, digest),
    ...(known === undefined ? {} : { size: known }),
  });
  const release = (): void => fetch.release();
  let size = known;
  try {
    size ??= await abortable(fetch.size(), request.signal);
    resolver.access.learnSize(digest, size);
    const part = partOf(request, digest, size);
    if (part !== undefined && context.lazyRanges && isInside(request, part, size)) {
      const lazy = await lazyBlob(context, wanted, fetch, size, part);
      if (lazy !== undefined) return lazy;
    }
    const response = blobResponse(
      request,
      digest,
      size,
      (range) => ({
        length: range.end - range.start,
        bytes: (signal) => telling(mended(context, wanted, fetch, range, signal), wanted.failed),
      }),
      release,
    );
    if (request.method !== 'HEAD') await untilCertain(fetch, wanted.headersDue - performance.now(), request.signal);
    return { size, source: 'swarm', response };
  } catch (error) {
    release();
    if (size === undefined || !isMendable(error)) throw error;
    return passedBlob(context, wanted, size, error);
  }
}

/** A part at once, with the fetch of the whole going on behind it; undefined where nobody can give it. */
async function lazyBlob(
  context: PullContext,
  { upstream, request, repository, digest }: WantedBlob,
  fetch: BlobFetch,
  size: number,
  range: ByteRange,
): Promise<ServedBlob | undefined> {
  const ended = new AbortController();
  const blob = { origin: upstream.origin(), repository: repository.name, digest, size };
  const stream = lazyRange(fetch, blob, range, (bytes) => context.observer.vouchedToClient(bytes), ended.signal);
  const first = await abortable(stream.next(), request.signal).catch(() => undefined);
  if (first === undefined || first.done === true) {
    ended.abort();
    return undefined;
  }
  fetch
    .done()
    .catch(() => undefined)
    .finally(() => fetch.release());
  const response = blobResponse(
    request,
    digest,
    size,
    ({ start, end }) => ({ length: end - start, bytes: () => prepended(first.value, stream) }),
    () => ended.abort(),
  );
  return { size, source: 'swarm', response };
}

/** Both ends are given, and are not those of the blob: who goes on after a cut names the first alone, and wants all that is left. */
function isInside({ headers }: RegistryRequest, { start, end }: ByteRange, size: number): boolean {
  return end - start < size && !/-\s*$/.test(headers.range ?? '');
}

async function* prepended(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

/** What the store cannot take, or the exchange cannot put together, goes by both. @throws the `refusal` where the registry cannot give it either */
async function passedBlob(
  context: PullContext,
  { upstream, request, repository, digest }: WantedBlob,
  size: number,
  refusal: LayerswarmError,
): Promise<ServedBlob> {
  const plain = notePassing(context, refusal, size);
  const origin = upstream.origin();
  if (origin === undefined) throw refusal;
  const ended = new AbortController();
  let stream: AsyncIterable<Uint8Array> | undefined;
  const response = blobResponse(
    request,
    digest,
    size,
    (range) => ({ length: range.end - range.start, bytes: () => stream! }),
    () => ended.abort(),
  );
  const { start, end } = partOf(request, digest, size) ?? { start: 0, end: size };
  try {
    stream = await abortable(
      passThrough({ origin, repository: repository.name, digest, size, plain }, { start, end }, ended.signal),
      request.signal,
    );
    return { size, source: 'origin', response };
  } catch (error) {
    ended.abort();
    throw new LayerswarmError(refusal.code, `${refusal.message}; nor does ${origin.url} give it: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** A store that takes nothing; or bytes that do not have the digest, as where a registry answers ranges with others than it says. */
function isMendable(error: unknown): error is LayerswarmError {
  return isStoreRefusal(error) || (error instanceof LayerswarmError && error.code === 'verification-failed');
}

/** Whether the whole is to be read without ranges. */
function notePassing(context: PullContext, error: LayerswarmError, size: number): boolean {
  if (!isStoreRefusal(error)) return true;
  context.observer.storeRefused(error, size);
  return false;
}

/** The bytes of a fetch; what it turns out not to bring goes on past it. */
async function* mended(
  context: PullContext,
  { upstream, repository, digest }: WantedBlob,
  fetch: BlobFetch,
  { start, end }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let position = start;
  try {
    for await (const chunk of fetch.read(start, end, signal, { reuse: true })) {
      yield chunk;
      position += chunk.length;
    }
  } catch (error) {
    const origin = upstream.origin();
    if (!isMendable(error) || origin === undefined) throw error;
    const size = await fetch.size();
    const plain = notePassing(context, error, size);
    yield* await passThrough({ origin, repository: repository.name, digest, size, plain }, { start: position, end }, signal);
  }
}

/** The same bytes; `failed` is told when they end in an error. */
async function* telling(bytes: AsyncIterable<Uint8Array>, failed: (error: unknown) => void): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* bytes;
  } catch (error) {
    failed(error);
    throw error;
  }
}

/** A blob that was evicted between the look and the opening is fetched like any other. */
async function openHeld(context: PullContext, digest: Digest): Promise<BlobReader | undefined> {
  if (context.store.size(digest) === undefined) return undefined;
  try {
    return await context.store.open(digest);
  } catch (error) {
    if (errorCode(error) === 'not-found') return undefined;
    throw error;
  }
}

/** @throws LayerswarmError `range-invalid`; OciError for several ranges */
function blobResponse(
  request: RegistryRequest,
  digest: Digest,
  size: number,
  body: (range: ByteRange) => StreamedBody,
  release: () => void | Promise<void>,
): RegistryResponse {
  const part = partOf(request, digest, size);
  if (part === undefined) return { status: 200, headers: blobHeaders(digest, size), body: body({ start: 0, end: size }), release };
  return {
    status: 206,
    headers: {
      ...blobHeaders(digest, size),
      'Content-Length': part.end - part.start,
      'Content-Range': `bytes ${part.start}-${part.end - 1}/${size}`,
    },
    body: body(part),
    release,
  };
}

function blobHeaders(digest: Digest, size: number): OutgoingHttpHeaders {
  return {
    'Content-Type': 'application/octet-stream',
    'Content-Length': size,
    'Accept-Ranges': 'bytes',
    'Docker-Content-Digest': digest.toString(),
    ETag: `"${digest.toString()}"`,
  };
}

/** RFC 9110 §14.2: Range is defined for GET alone, and If-Range with another representation asks for the whole. @throws as `parseRange` */
function partOf(request: RegistryRequest, digest: Digest, size: number): ByteRange | undefined {
  const condition = request.headers['if-range'];
  const isForThis = request.method === 'GET' && (condition === undefined || condition === `"${digest.toString()}"`);
  return isForThis ? parseRange(request.headers.range, size) : undefined;
}
