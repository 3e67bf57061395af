import { createHash } from 'node:crypto';
import { unlessAborted } from '../../async/abort.ts';
import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Origin } from '../../origin/origin.ts';
import type { BlobExchange } from '../../swarm/swarm.ts';
import type { ByteRange } from '../http/range.ts';
import { isOriginAway } from '../images/origin-calls.ts';
import type { HeldBlobs } from './held-blobs.ts';
import type { WantedBlob } from './wanted-blob.ts';

export interface PassThroughBlob {
  /** Undefined while none is known. */
  readonly origin: Origin | undefined;
  /** Absent where members must not be asked. */
  readonly members?: Pick<BlobExchange, 'readHeld'> | undefined;
  /** As at the origin. */
  readonly repository: string;
  readonly digest: Digest;
  readonly size: number;
  /** See `BlobRange`. */
  readonly plain?: boolean;
}

/** How a blob that a client wants is passed through. */
export function passedOn(
  { upstream, repository, digest }: Pick<WantedBlob, 'upstream' | 'repository' | 'digest'>,
  size: number,
  plain = false,
): PassThroughBlob {
  const members = upstream.resolver.isExcluded(repository.name) ? undefined : upstream.exchange;
  return { origin: upstream.origin(), members, repository: repository.name, digest, size, plain };
}

/**
 * A part of a blob to one client, without a copy in the store: for what that cannot take, or the exchange cannot put together. It comes from its
 * registry, and while that is away from members that hold it whole. What is small is proven in memory before its first byte is given. Of
 * what is large, or finds no room there, all is read and hashed, whatever part is wanted, and the last byte of the part is held back until the digest is proven: a
 * client never has all of wrong content.
 * @throws `digest-mismatch`, `size-mismatch`; what the origin throws; `not-found` or `unavailable` where there is none, and no member gives it
 */
export async function* passThrough(
  blob: PassThroughBlob,
  held: HeldBlobs,
  range: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  // What others wait for as well goes on without this client.
  const proven = held.get(blob, sourcesOf(blob), (closed) => whole(blob, closed));
  if (proven === undefined) yield* withheld(blob, whole(blob, signal), range);
  else yield (await unlessAborted(proven, signal)).subarray(range.start, range.end);
}

async function* whole(
  { origin, members, repository, digest, size, plain }: PassThroughBlob,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  let away: unknown;
  if (origin !== undefined) {
    try {
      for await (const chunk of origin.readBlob(repository, digest, { start: 0, end: size, size, plain: plain === true }, signal)) {
        yield chunk;
        at += chunk.length;
      }
      return;
    } catch (error) {
      if (members === undefined || !isOriginAway(error)) throw error;
      away = error;
    }
  }
  if (members === undefined) throw new LayerswarmError('unavailable', `no origin is known to read ${digest.toString()} from`);
  try {
    yield* members.readHeld(digest, { start: at, end: size }, signal);
  } catch (error) {
    throw away ?? error;
  }
}

async function* withheld(
  blob: PassThroughBlob,
  chunks: AsyncIterable<Uint8Array>,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { digest } = blob;
  const hash = createHash(digest.algorithm);
  const last = Buffer.alloc(1);
  let at = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    const lastAt = end - 1 - at;
    if (lastAt >= 0 && lastAt < chunk.length) last[0] = chunk[lastAt]!;
    yield chunk.subarray(Math.max(0, start - at), Math.max(0, lastAt));
    at += chunk.length;
  }
  if (hash.digest('hex') !== digest.hex)
    throw new LayerswarmError('digest-mismatch', `${sourcesOf(blob)} sent other bytes than those of ${digest.toString()}`);
  yield last;
}

function sourcesOf({ origin, members }: PassThroughBlob): string {
  return [origin?.url, members === undefined ? undefined : 'a member'].filter((source) => source !== undefined).join(' or ');
}
