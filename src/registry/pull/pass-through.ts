import { createHash } from 'node:crypto';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Origin } from '../../origin/origin.ts';
import type { ByteRange } from '../http/range.ts';

export interface PassThroughBlob {
  readonly origin: Origin;
  /** As at the origin. */
  readonly repository: string;
  readonly digest: Digest;
  readonly size: number;
  /** See `BlobRange`. */
  readonly plain?: boolean;
}

/**
 * A part of a blob from its registry to one client, without a copy here: for what the store cannot take, or the exchange cannot put together. All of the blob is read and
 * hashed, whatever part is wanted, and the last byte of the part is held back until the digest is proven. Resolves when the first
 * bytes have come; the stream throws `digest-mismatch` in place of the last byte of wrong content.
 * @throws what the origin throws
 */
export async function passThrough(
  blob: PassThroughBlob,
  range: ByteRange,
  signal: AbortSignal,
): Promise<AsyncGenerator<Uint8Array, void, undefined>> {
  const body = blob.origin.readBlob(
    blob.repository,
    blob.digest,
    { start: 0, end: blob.size, size: blob.size, plain: blob.plain === true },
    signal,
  );
  const chunks = body[Symbol.asyncIterator]();
  const first = await chunks.next();
  return proven(blob, first, { [Symbol.asyncIterator]: () => chunks }, range);
}

async function* proven(
  { origin, digest }: PassThroughBlob,
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterable<Uint8Array>,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash(digest.algorithm);
  const last = Buffer.alloc(1);
  let at = 0;
  const take = (chunk: Uint8Array): Uint8Array => {
    hash.update(chunk);
    const lastAt = end - 1 - at;
    if (lastAt >= 0 && lastAt < chunk.length) last[0] = chunk[lastAt]!;
    const part = chunk.subarray(Math.max(0, start - at), Math.max(0, lastAt));
    at += chunk.length;
    return part;
  };
  if (first.done !== true) yield take(first.value);
  for await (const chunk of rest) yield take(chunk);
  if (hash.digest('hex') !== digest.hex)
    throw new LayerswarmError('digest-mismatch', `${origin.url} sent other bytes than those of ${digest.toString()}`);
  yield last;
}
