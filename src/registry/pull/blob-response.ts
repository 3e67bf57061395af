import type { OutgoingHttpHeaders } from 'node:http';
import type { Digest } from '../../oci/digest.ts';
import type { RegistryRequest, RegistryResponse, StreamedBody } from '../http/message.ts';
import { type ByteRange, parseRange } from '../http/range.ts';

/** The answer to a request for a blob or a part of it. @throws LayerswarmError `range-invalid`; OciError for several ranges */
export function blobResponse(
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

export function blobHeaders(digest: Digest, size: number): OutgoingHttpHeaders {
  return {
    'Content-Type': 'application/octet-stream',
    'Content-Length': size,
    'Accept-Ranges': 'bytes',
    'Docker-Content-Digest': digest.toString(),
    ETag: `"${digest.toString()}"`,
  };
}

/** The part that is asked for; undefined: the whole. RFC 9110 §14.2: Range is defined for GET alone, and If-Range with another representation asks for the whole. @throws as `parseRange` */
export function partOf(request: RegistryRequest, digest: Digest, size: number): ByteRange | undefined {
  const condition = request.headers['if-range'];
  const isForThis = request.method === 'GET' && (condition === undefined || condition === `"${digest.toString()}"`);
  return isForThis ? parseRange(request.headers.range, size) : undefined;
}
