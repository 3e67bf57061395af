import { Digest } from '../../oci/digest.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { Holding } from '../protocol/message.ts';
import { MAX_INLINE_BYTES } from '../protocol/word.ts';
import { readPartOfMember } from './member-read.ts';

type Asking = Pick<BlobNetwork, 'peers' | 'request'>;
type Reading = Asking & Pick<BlobNetwork, 'lane'>;

const FIND_TIMEOUT_MS = 3000;
/** A small blob is asked for whole, of this many of the nearest members at once. */
const INLINE_ASKED = 2;

/** Whether a connected member holds the blob, or is fetching it; ends with the first that does. */
export async function someoneHas(network: Asking, blob: Digest, signal: AbortSignal): Promise<boolean> {
  const asked = network.peers().map(async ({ peerId }) => {
    const holding = await findAt(network, peerId, blob, { inline: false }, signal);
    if (holding.state === 'none') throw new Error('not there');
  });
  return await Promise.any(asked).then(
    () => true,
    () => false,
  );
}

/** Connected members that hold the blob whole, as they answer. */
export async function* wholeHolders(network: Asking, blob: Digest, signal: AbortSignal): AsyncGenerator<string> {
  const asked = new Map(
    network.peers().map(({ peerId }) => {
      const isHolder = findAt(network, peerId, blob, { inline: false }, signal).then(
        ({ state }) => state === 'complete',
        () => false,
      );
      return [peerId, isHolder.then((holds) => ({ peerId, holds }))];
    }),
  );
  while (asked.size > 0) {
    const { peerId, holds } = await Promise.race(asked.values());
    asked.delete(peerId);
    if (holds) yield peerId;
  }
}

/** Larger ones are for a crowd; one of so many bytes is read whole from one holder, unless nothing comes for a while, or it takes too long. */
export const MAX_WHOLE_BYTES = 1 << 20;
const WHOLE_SILENCE_MS = 150;
const WHOLE_TIMEOUT_MS = 2000;

interface Found {
  readonly bytes: Uint8Array;
  readonly peer: string;
}

/**
 * The bytes of a small blob, verified, if one of the nearest members has it. `size`: where it is known, no more than `MAX_WHOLE_BYTES`;
 * `pull`: id of the pull that wants it.
 */
export async function findSmall(
  network: Reading,
  blob: Digest,
  { size, pull }: { readonly size: number | undefined; readonly pull?: string | undefined },
  signal: AbortSignal,
): Promise<Found | undefined> {
  const isInline = size === undefined || size <= MAX_INLINE_BYTES;
  using patience = isInline ? undefined : untilSilent();
  const inTime = patience === undefined ? signal : AbortSignal.any([signal, patience.signal, AbortSignal.timeout(WHOLE_TIMEOUT_MS)]);
  const nearest = [...network.peers()].sort((a, b) => (a.latencyMs ?? Infinity) - (b.latencyMs ?? Infinity)).slice(0, INLINE_ASKED);
  let reading: Promise<Found | undefined> = Promise.resolve(undefined);
  const asked = nearest.map(async ({ peerId }) => {
    const holding = await findAt(network, peerId, blob, { inline: isInline, pull }, inTime);
    if (isInline) return verified(blob, holding.inline, peerId);
    if (holding.state !== 'complete') throw new Error('not there');
    // Of the first who has it; of the other only where that fails.
    const read = async (): Promise<Found> =>
      verified(blob, await readPartOfMember(network, peerId, blob, { start: 0, end: size }, inTime, patience?.heard), peerId);
    reading = reading.then(async (found) => found ?? (await read())).catch(() => undefined);
    const found = await reading;
    if (found === undefined) throw new Error('not there');
    return found;
  });
  return await Promise.any(asked).catch(() => undefined);
}

/** A signal that aborts when `heard` was not called for a while. */
function untilSilent(): { readonly signal: AbortSignal; readonly heard: () => void } & Disposable {
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(), WHOLE_SILENCE_MS);
  return { signal: silent.signal, heard: () => timer.refresh(), [Symbol.dispose]: () => clearTimeout(timer) };
}

function verified(blob: Digest, bytes: Uint8Array | undefined, peer: string): Found {
  if (bytes === undefined) throw new Error('not there');
  if (!blob.equals(Digest.of(bytes, blob.algorithm))) throw new Error('not that blob');
  return { bytes, peer };
}

async function findAt(
  network: Asking,
  peerId: string,
  blob: Digest,
  asked: { readonly inline: boolean; readonly pull?: string | undefined },
  signal: AbortSignal,
): Promise<Holding> {
  const answer = await network.request(peerId, { type: 'find', blobs: [blob.toString()], ...asked }, 'found', {
    signal,
    timeoutMs: FIND_TIMEOUT_MS,
  });
  return answer.holdings.find((holding) => holding.blob === blob.toString()) ?? { blob: blob.toString(), state: 'none' };
}
