import type { BlobFetch } from '../../swarm/swarm.ts';
import type { ByteRange } from '../http/range.ts';
import type { PassThroughBlob } from './pass-through.ts';

/** Milliseconds for which a part that is on its way is waited for, where much of the blob is here. */
const PATIENCE_MS = 100;
/** Bytes read past the fetch before what has come meanwhile is looked at again. */
const STRIDE = 4 * 1024 * 1024;

/**
 * A part of a blob that is not here, for clients that check parts by themselves (stargz-snapshotter, SOCI, nydus, containerd's
 * parallel reads): what the fetch has brought of it, and else what the registry says, before everything in front of it is proven.
 * @param onVouched told the bytes that come from the registry directly; the fetch counts its own
 * @throws what the registry and the fetch throw
 */
export async function* lazyRange(fetch: BlobFetch, { origin, repository, digest, size }: PassThroughBlob, { start, end }: ByteRange, onVouched: (bytes: number) => void, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  let position = start;
  while (position < end) {
    if (fetch.progress().haveBytes >= size / 2) {
      for await (const chunk of arrived(fetch, position, end, signal)) {
        position += chunk.length;
        yield chunk;
      }
      if (position >= end) return;
    }
    for await (const chunk of origin.readBlob(repository, digest, { start: position, end: Math.min(end, position + STRIDE), size }, signal)) {
      position += chunk.length;
      onVouched(chunk.length);
      yield chunk;
    }
  }
}

/** What the fetch gives from `start` on, until that takes longer than is worth waiting for. */
async function* arrived(fetch: BlobFetch, start: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const late = new AbortController();
  const chunks = fetch.read(start, end, AbortSignal.any([signal, late.signal]), { reuse: true })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const timer = setTimeout(() => late.abort(), PATIENCE_MS);
      const { value, done } = await chunks.next() as IteratorResult<Uint8Array, undefined>;
      clearTimeout(timer);
      if (done === true) return;
      yield value;
    }
  } catch (error) {
    if (!late.signal.aborted || signal.aborted) throw error;
  } finally {
    await chunks.return?.();
  }
}
