import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ByteRange, Lane } from '../lane/lane.ts';

interface Pending {
  readonly chunk: Buffer;
  readonly taken: () => void;
}

/**
 * A range of a blob from a lane as a stream: the lane reads on only once a chunk was taken. Yields exactly the range's bytes.
 * @throws as `Lane.request`
 */
export async function* laneStream(lane: Lane, blob: Digest, range: ByteRange, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const given = new AbortController();
  const ended = signal === undefined ? given.signal : AbortSignal.any([signal, given.signal]);
  let next = Promise.withResolvers<Pending | undefined>();
  const target = {
    write: (_offset: number, chunk: Uint8Array): Promise<void> => {
      const taken = Promise.withResolvers<void>();
      next.resolve({ chunk: Buffer.from(chunk), taken: () => taken.resolve() });
      return taken.promise;
    },
  };
  // The end of the request settles whatever the reader waits for then.
  const request = lane.request(blob, range, target, ended).then(() => next.resolve(undefined), (error: unknown) => next.reject(error));
  let received = 0;
  try {
    for (;;) {
      const pending = await next.promise;
      if (pending === undefined) break;
      next = Promise.withResolvers();
      received += pending.chunk.length;
      yield pending.chunk;
      pending.taken();
    }
    if (received !== range.end - range.start) throw new LayerswarmError('peer-misbehaved', `${lane.peerId} sent ${received} bytes of a range of ${range.end - range.start}`);
  } finally {
    given.abort();
    // A request that is cut off here fails, and nobody is left whom that concerns.
    next.promise.catch(() => undefined);
    await request;
  }
}
