import { Digest } from '../../oci/digest.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { Holding } from '../protocol/message.ts';

type Asking = Pick<BlobNetwork, 'peers' | 'request'>;

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

/** The bytes of a small blob, verified, if one of the nearest members has it. */
export async function findInline(network: Asking, blob: Digest, signal: AbortSignal): Promise<{ bytes: Uint8Array; peer: string } | undefined> {
  const nearest = [...network.peers()].sort((a, b) => (a.latencyMs ?? Infinity) - (b.latencyMs ?? Infinity)).slice(0, INLINE_ASKED);
  const asked = nearest.map(async ({ peerId }) => {
    const { inline } = await findAt(network, peerId, blob, true, signal);
    if (inline === undefined) throw new Error('not there');
    if (!blob.equals(Digest.of(inline, blob.algorithm))) throw new Error('not that blob');
    return { bytes: inline, peer: peerId };
  });
  return await Promise.any(asked).catch(() => undefined);
}

async function findAt(network: Asking, peerId: string, blob: Digest, inline: boolean, signal: AbortSignal): Promise<Holding> {
  const answer = await network.request(peerId, { type: 'find', blobs: [blob.toString()], inline }, 'found', { signal, timeoutMs: FIND_TIMEOUT_MS });
  return answer.holdings.find((holding) => holding.blob === blob.toString()) ?? { blob: blob.toString(), state: 'none' };
}
