import { errorCode, LayerswarmError } from '../../errors.ts';
import type { BlobReader } from '../../store/blob-store.ts';
import { isStoreRefusal } from '../../store/store-error.ts';
import type { BlobFetch } from '../../swarm/swarm.ts';
import type { ByteRange } from '../http/range.ts';
import { passedOn, passThrough } from './pass-through.ts';
import type { PullContext } from './pull-context.ts';
import type { WantedBlob } from './wanted-blob.ts';

/** The bytes of a blob that is here; where the disk turns out to have changed or lost them, it is put aside, and the rest comes as that of any other. */
export async function* storedBytes(
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

/** The bytes of a fetch; what it turns out not to bring goes on past it. */
export async function* mended(
  context: PullContext,
  wanted: WantedBlob,
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
    if (!isMendable(error)) throw error;
    const size = await fetch.size();
    const blob = passedOn(wanted, size, notePassing(context, error, size));
    if (blob.origin === undefined && blob.plain === true) throw error;
    yield* passThrough(blob, context.held, { start: position, end }, signal);
  }
}

/** The same bytes; `failed` is told when they end in an error. */
export async function* telling(
  bytes: AsyncIterable<Uint8Array>,
  failed: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* bytes;
  } catch (error) {
    failed(error);
    throw error;
  }
}

/** A store that takes nothing; or bytes that do not have the digest, as where a registry answers ranges with others than it says. */
export function isMendable(error: unknown): error is LayerswarmError {
  return isStoreRefusal(error) || (error instanceof LayerswarmError && error.code === 'verification-failed');
}

/** Whether the whole is to be read without ranges. */
export function notePassing(context: PullContext, error: LayerswarmError, size: number): boolean {
  if (!isStoreRefusal(error)) return true;
  context.observer.storeRefused(error, size);
  return false;
}
