import type { OutgoingHttpHeaders } from 'node:http';
import { errorCode } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { BlobReader } from '../../store/blob-store.ts';
import type { RegistryRequest, RegistryResponse, StreamedBody } from '../http/message.ts';
import { type ByteRange, parseRange } from '../http/range.ts';
import type { Parameters } from '../http/router.ts';
import { abortable } from '../images/single-flight.ts';
import type { Repository } from '../namespace.ts';
import type { Upstream } from '../upstream.ts';
import type { PullContext } from './pull-context.ts';

/** `GET` and `HEAD /v2/<name>/blobs/<digest>`. */
export async function getBlob(context: PullContext, request: RegistryRequest, parameters: Parameters): Promise<RegistryResponse> {
  const repository = context.namespaces.repository(parameters['name']!, request.query);
  const digest = Digest.parse(parameters['digest']!);
  const upstream = context.upstreamOf(repository);
  const size = await upstream.resolver.access.check(repository, digest, request.signal);
  if (request.method === 'HEAD' && size !== undefined) return { status: 200, headers: blobHeaders(digest, size) };

  const reader = await openHeld(context, digest);
  const served = reader === undefined ? await fetchBlob(upstream, request, repository, digest, size) : await storedBlob(request, digest, reader);
  context.observer.blobServed({ repository: repository.full, digest, size: served.size, fromStore: reader !== undefined });
  return served.response;
}

interface ServedBlob {
  readonly size: number;
  readonly response: RegistryResponse;
}

async function storedBlob(request: RegistryRequest, digest: Digest, reader: BlobReader): Promise<ServedBlob> {
  const release = (): Promise<void> => reader.close();
  try {
    const response = blobResponse(request, digest, reader.size, (range) => ({
      length: range.end - range.start,
      bytes: () => reader.stream(range.start, range.end, { reuse: true }),
    }), release);
    return { size: reader.size, response };
  } catch (error) {
    await release();
    throw error;
  }
}

async function fetchBlob({ resolver, exchange }: Upstream, request: RegistryRequest, repository: Repository, digest: Digest, known: number | undefined): Promise<ServedBlob> {
  // a 503 sends containerd to its next host, a cut body back here
  await resolver.availability.requireBlob(repository.name, digest, request.signal);
  const fetch = exchange.fetch({
    digest,
    repository: repository.name,
    shared: !resolver.isExcluded(repository.name),
    ...(known === undefined ? {} : { size: known }),
  });
  const release = (): void => fetch.release();
  try {
    const size = await abortable(fetch.size(), request.signal);
    resolver.access.learnSize(digest, size);
    const response = blobResponse(request, digest, size, (range) => ({
      length: range.end - range.start,
      bytes: (signal) => fetch.read(range.start, range.end, signal),
    }), release);
    return { size, response };
  } catch (error) {
    release();
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
function blobResponse(request: RegistryRequest, digest: Digest, size: number, body: (range: ByteRange) => StreamedBody, release: () => void | Promise<void>): RegistryResponse {
  const part = wantsPart(request, digest) ? parseRange(request.headers.range, size) : undefined;
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

/** RFC 9110 §14.2: Range is defined for GET alone, and If-Range with another representation asks for the whole. */
function wantsPart(request: RegistryRequest, digest: Digest): boolean {
  const condition = request.headers['if-range'];
  return request.method === 'GET' && (condition === undefined || condition === `"${digest.toString()}"`);
}
