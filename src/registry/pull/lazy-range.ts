import type { BlobFetch } from '../../swarm/swarm.ts';
import type { ByteRange } from '../http/range.ts';
import type { PassThroughBlob } from './pass-through.ts';

/** Bytes read past the fetch before what has come meanwhile is looked at again. */
const STRIDE = 4 * 1024 * 1024;

export type LazyBlob = Pick<PassThroughBlob, 'origin' | 'repository' | 'digest' | 'size'>;

/**
 * A part of a blob that is not here, for clients that check parts by themselves (stargz-snapshotter, SOCI, nydus, containerd's
 * parallel reads), before everything in front of it is proven: pieces that the fetch brings first, from members that vouch for them or
 * from the registry; what does not fill a piece, and no member brings, straight from the registry.
 * @param onVouched told the bytes that are not proven
 * Ends without a byte where nobody can be asked for it out of turn.
 * @throws what the registry and the fetch throw
 */
export async function* lazyRange(
  fetch: BlobFetch,
  { origin, repository, digest, size }: LazyBlob,
  { start, end }: ByteRange,
  onVouched: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let isHere = false;
  void fetch.done().then(
    () => (isHere = true),
    () => undefined,
  );
  for (let position = start; position < end;) {
    signal.throwIfAborted();
    const piece = await fetch.vouchedPiece(position, { end, isPatient: false });
    if (piece === undefined && origin === undefined && !isHere && position === start) return;
    if (piece === undefined && (isHere || origin === undefined)) {
      yield* fetch.read(position, end, signal);
      return;
    }
    const part = { start: position, end: Math.min(end, position + STRIDE), size };
    for await (const chunk of piece === undefined
      ? origin!.readBlob(repository, digest, part, signal)
      : [piece.subarray(0, end - position)]) {
      position += chunk.length;
      onVouched(chunk.length);
      yield chunk;
    }
  }
}
