import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { ChunkQueue } from '../chunk-queue.ts';
import type { ByteRange } from '../lane/lane.ts';
import type { BlobNetwork } from '../network/network.ts';

/** Bytes of a blob that a member holds, over its lane. @throws as `Lane.request` */
export async function* readFromMember(
  network: Pick<BlobNetwork, 'lane'>,
  peerId: string,
  blob: Digest,
  range: ByteRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const left = new AbortController();
  const ended = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  const queue = new ChunkQueue(range.start);
  void fill(queue, network, peerId, blob, range, ended);
  try {
    yield* queue;
  } finally {
    left.abort();
    queue.close();
  }
}

/**
 * The same in one piece, which nothing else uses. Memory for each chunk, and for all of them again, would have V8 collect the whole heap every
 * few MiB. `heard` is called whenever some have come. @throws as `Lane.request`
 */
export async function readPartOfMember(
  network: Pick<BlobNetwork, 'lane'>,
  peerId: string,
  blob: Digest,
  range: ByteRange,
  signal: AbortSignal,
  heard: () => void = () => undefined,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(range.end - range.start);
  const lane = await network.lane(peerId, blob, signal);
  await lane.request(
    blob,
    range,
    {
      write: (offset, chunk) => {
        bytes.set(chunk, offset - range.start);
        heard();
      },
    },
    signal,
  );
  return bytes;
}

async function fill(
  queue: ChunkQueue,
  network: Pick<BlobNetwork, 'lane'>,
  peerId: string,
  blob: Digest,
  range: ByteRange,
  signal: AbortSignal,
): Promise<void> {
  try {
    const lane = await network.lane(peerId, blob, signal);
    await lane.request(blob, range, queue, signal);
    queue.end();
  } catch (error) {
    queue.fail(
      error instanceof LayerswarmError ? error : new LayerswarmError('internal', `reading from peer ${peerId} failed`, { cause: error }),
    );
  }
}
