import type { BlobFetch } from '../../swarm/swarm.ts';
import type { RegistryRequest } from '../http/message.ts';
import type { ByteRange } from '../http/range.ts';
import { abortable } from '../images/single-flight.ts';
import { blobResponse } from './blob-response.ts';
import { resumed } from './first-byte.ts';
import { lazyRange } from './lazy-range.ts';
import type { PullContext } from './pull-context.ts';
import type { ServedBlob, WantedBlob } from './wanted-blob.ts';

/** A part at once, with the fetch of the whole going on behind it; undefined where nobody can give it. */
export async function lazyBlob(
  context: PullContext,
  { upstream, request, repository, digest }: WantedBlob,
  fetch: BlobFetch,
  size: number,
  range: ByteRange,
): Promise<ServedBlob | undefined> {
  const ended = new AbortController();
  const blob = { origin: upstream.origin(), repository: repository.name, digest, size };
  const stream = lazyRange(fetch, blob, range, (bytes) => context.observer.vouchedToClient(bytes), ended.signal);
  const first = stream.next();
  const step = await abortable(first, request.signal).catch(() => undefined);
  if (step === undefined || step.done === true) {
    ended.abort();
    return undefined;
  }
  fetch
    .done()
    .catch(() => undefined)
    .finally(() => fetch.release());
  const response = blobResponse(
    request,
    digest,
    size,
    ({ start, end }) => ({ length: end - start, bytes: () => resumed(first, stream) }),
    () => ended.abort(),
  );
  return { size, source: 'swarm', response };
}

/** Both ends are given, and are not those of the blob: who goes on after a cut names the first alone, and wants all that is left. */
export function isInside({ headers }: RegistryRequest, { start, end }: ByteRange, size: number): boolean {
  return end - start < size && !/-\s*$/.test(headers.range ?? '');
}
