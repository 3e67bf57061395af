import { LayerswarmError } from '../../errors.ts';
import type { BlobFetch } from '../../swarm/swarm.ts';
import { abortable } from '../images/single-flight.ts';

const LOOK_MS = 10;

/**
 * Waits until bytes of the blob are certain to follow: some have come since the fetch began, or it is here. A client that was
 * promised a body by its headers never asks another host for it, so what is known before the first byte must become a status.
 * While nobody has refused anything after `patienceMs`, the sources are just slow, and headers that never come would be worse.
 * @throws what the fetch fails with; `unavailable` when sources have failed and none has given a byte
 */
export async function untilCertain(fetch: BlobFetch, patienceMs: number, signal: AbortSignal): Promise<void> {
  const done = fetch.done().then(() => true);
  done.catch(() => undefined);
  const end = performance.now() + patienceMs;
  for (;;) {
    const { fromOriginBytes, fromPeers, retries } = fetch.progress();
    if (fromOriginBytes > 0 || fromPeers.size > 0) return;
    if (performance.now() >= end) {
      if (retries === 0) return;
      throw new LayerswarmError('unavailable', `no source has given a byte of ${fetch.digest.toString()} so far; try again`);
    }
    if (await abortable(Promise.race([done, after(LOOK_MS)]), signal)) return;
  }
}

export async function after(ms: number): Promise<false> {
  return await new Promise((resolve) => {
    setTimeout(() => resolve(false), ms);
  });
}

/** What comes from `rest` when its first is asked for already. */
export async function* resumed(
  first: Promise<IteratorResult<Uint8Array, void>>,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { done, value } = await first;
  if (done === true) return;
  yield value;
  yield* rest;
}
