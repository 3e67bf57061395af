import { errorCode, LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { BlobReader } from '../../store/blob-store.ts';
import type { RegistryRequest, RegistryResponse, StreamedBody } from '../http/message.ts';
import type { ByteRange } from '../http/range.ts';
import type { Parameters } from '../http/router.ts';
import { abortable } from '../images/single-flight.ts';
import { blobHeaders, blobResponse, partOf } from './blob-response.ts';
import { after, resumed, untilCertain } from './first-byte.ts';
import { isInside, lazyBlob } from './lazy-blob.ts';
import { isMendable, mended, notePassing, storedBytes, telling } from './mended-bytes.ts';
import { passedOn, passThrough } from './pass-through.ts';
import { HEADERS_MARGIN_MS, isPullFailure, PULL_HEADER, type PullContext } from './pull-context.ts';
import type { ServedBlob, WantedBlob } from './wanted-blob.ts';

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

async function fetchBlob(context: PullContext, wanted: WantedBlob, known: number | undefined): Promise<ServedBlob> {
  const {
    upstream: { resolver, exchange },
    request,
    repository,
    digest,
  } = wanted;
  // a 503 sends containerd to its next host, a cut body back here
  await resolver.availability.requireBlob(repository.name, digest, request.signal);
  // A part that is given at once needs no store; what passes through is read from its beginning.
  const refusal = known === undefined || context.lazyRanges ? undefined : context.observer.storeRefusal(known);
  if (refusal !== undefined) return passedBlob(context, wanted, known!, refusal);
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

/** What the store cannot take, or the exchange cannot put together, goes by both. @throws the `refusal` where nobody can give it that way either */
async function passedBlob(context: PullContext, wanted: WantedBlob, size: number, refusal: LayerswarmError): Promise<ServedBlob> {
  const { request, digest, headersDue, failed } = wanted;
  const blob = passedOn(wanted, size, notePassing(context, refusal, size));
  if (blob.origin === undefined && blob.plain === true) throw refusal;
  const ended = new AbortController();
  const stream = passThrough(blob, context.held, partOf(request, digest, size) ?? { start: 0, end: size }, ended.signal);
  const end = async (): Promise<void> => {
    ended.abort();
    await stream.return();
  };
  try {
    const first = stream.next();
    first.catch(() => undefined); // whoever reads it is told
    await abortable(Promise.race([first, after(headersDue - performance.now())]), request.signal);
    const body = ({ start, end }: ByteRange): StreamedBody => ({
      length: end - start,
      bytes: () => telling(resumed(first, stream), failed),
    });
    const response = blobResponse(request, digest, size, body, end);
    return { size, source: 'origin', response };
  } catch (error) {
    end().catch(() => undefined);
    throw new LayerswarmError(refusal.code, `${refusal.message}; nor can it be passed through: ${(error as Error).message}`, {
      cause: error,
    });
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
