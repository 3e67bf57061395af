import { Digest } from '../../oci/digest.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { Holding } from '../protocol/message.ts';
import { MAX_INLINE_BYTES } from '../protocol/word.ts';
import { readFromMember } from './member-read.ts';

type Asking = Pick<BlobNetwork, 'peers' | 'request'>;
type Reading = Asking & Pick<BlobNetwork, 'lane'>;

const FIND_TIMEOUT_MS = 3000;
/** A small blob is asked for whole, of this many of the nearest members at once. */
const INLINE_ASKED = 2;

/** Whether a connected member holds the blob, or is fetching it; ends with the first that does. */
export async function someoneHas(network: Asking, blob: Digest, signal: AbortSignal): Promise<boolean> {
  const asked = network.peers().map(async ({ peerId }) => {
    const holding = await findAt(network, peerId, blob, false, signal);
    if (holding.state === 'none') throw new Error('not there');
  });
  return await Promise.any(asked).then(() => true, () => false);
}

/** Larger ones are for a crowd; one of so many bytes is read whole from one holder, unless that takes so long. */
export const MAX_WHOLE_BYTES = 1 << 20;
const WHOLE_TIMEOUT_MS = 150;

/** The bytes of a small blob, verified, if one of the nearest members has it. `size`: where it is known, no more than `MAX_WHOLE_BYTES`. */
export async function findSmall(network: Reading, blob: Digest, size: number | undefined, signal: AbortSignal): Promise<{ bytes: Uint8Array; peer: string } | undefined> {
  const isInline = size === undefined || size <= MAX_INLINE_BYTES;
  const inTime = isInline ? signal : AbortSignal.any([signal, AbortSignal.timeout(WHOLE_TIMEOUT_MS)]);
  const nearest = [...network.peers()].sort((a, b) => (a.latencyMs ?? Infinity) - (b.latencyMs ?? Infinity)).slice(0, INLINE_ASKED);
  const asked = nearest.map(async ({ peerId }) => {
    const holding = await findAt(network, peerId, blob, isInline, inTime);
    const bytes = isInline ? holding.inline : await readWhole(network, peerId, blob, holding.state === 'complete' ? size : undefined, inTime);
    if (bytes === undefined) throw new Error('not there');
    if (!blob.equals(Digest.of(bytes, blob.algorithm))) throw new Error('not that blob');
    return { bytes, peer: peerId };
  });
  return await Promise.any(asked).catch(() => undefined);
}

async function readWhole(network: Reading, peerId: string, blob: Digest, size: number | undefined, signal: AbortSignal): Promise<Uint8Array | undefined> {
  return size === undefined ? undefined : Buffer.concat(await Array.fromAsync(readFromMember(network, peerId, blob, { start: 0, end: size }, signal)));
}

async function findAt(network: Asking, peerId: string, blob: Digest, inline: boolean, signal: AbortSignal): Promise<Holding> {
  const answer = await network.request(peerId, { type: 'find', blobs: [blob.toString()], inline }, 'found', { signal, timeoutMs: FIND_TIMEOUT_MS });
  return answer.holdings.find((holding) => holding.blob === blob.toString()) ?? { blob: blob.toString(), state: 'none' };
}
