import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { isForeign, readManifest } from '../../oci/manifest.ts';
import type { ImageStore } from '../../store/images/image-store.ts';
import type { Peer, PeerNetwork } from '../../swarm/network/network.ts';

const FIND_TIMEOUT_MS = 3000;
/** As many as one message takes. */
const BLOBS_A_QUESTION = 64;

/** What an image is made of, as far as its manifests are here; of an index, the images that are here. */
export async function blobsOfImage(images: ImageStore, root: Digest): Promise<Descriptor[]> {
  const found = new Map<string, Descriptor>();
  const seen = new Map<string, Digest>([[root.toString(), root]]);
  for (const digest of seen.values()) {
    const raw = await images.anyManifest(digest);
    if (raw === undefined) continue;
    const manifest = readManifest(raw.bytes, raw.mediaType);
    if (manifest.kind === 'image')
      for (const blob of [manifest.config, ...manifest.layers]) if (!isForeign(blob)) found.set(blob.digest.toString(), blob);
    if (manifest.kind === 'index') for (const child of manifest.manifests) seen.set(child.digest.toString(), child.digest);
  }
  return [...found.values()];
}

/** Members that hold all of these blobs whole. Those that do not answer in time hold nothing. */
export async function findHolders(network: PeerNetwork, blobs: readonly Digest[], signal: AbortSignal): Promise<Peer[]> {
  const peers = [...network.peers()];
  const holds = await Promise.all(peers.map(async ({ peerId }) => await holdsAll(network, peerId, blobs, signal)));
  return peers.filter((_, index) => holds[index]);
}

async function holdsAll(network: PeerNetwork, peerId: string, blobs: readonly Digest[], signal: AbortSignal): Promise<boolean> {
  try {
    for (let start = 0; start < blobs.length; start += BLOBS_A_QUESTION) {
      const batch = blobs.slice(start, start + BLOBS_A_QUESTION).map(String);
      const { holdings } = await network.request(peerId, { type: 'find', blobs: batch, inline: false }, 'found', {
        signal,
        timeoutMs: FIND_TIMEOUT_MS,
      });
      const whole = new Set(holdings.filter(({ state }) => state === 'complete').map(({ blob }) => blob));
      if (!batch.every((blob) => whole.has(blob))) return false;
    }
    return blobs.length > 0;
  } catch {
    return false;
  }
}

/**
 * Pure: the members to ask, so that `missing` more hold an image: from the zones with the fewest copies first, since one zone can
 * fail as a whole; among equals by chance, so that several keepers of one image do not all ask the same member.
 */
export function chooseKeepers(
  candidates: readonly Pick<Peer, 'peerId' | 'zone'>[],
  holders: readonly { readonly zone: string }[],
  missing: number,
  random: () => number,
): string[] {
  const copies = new Map<string, number>();
  for (const { zone } of holders) copies.set(zone, (copies.get(zone) ?? 0) + 1);
  const waiting = candidates.map((peer) => ({ ...peer, order: random() })).sort((a, b) => a.order - b.order);
  const chosen: string[] = [];
  while (chosen.length < missing && waiting.length > 0) {
    const fewest = Math.min(...waiting.map(({ zone }) => copies.get(zone) ?? 0));
    const [next] = waiting.splice(
      waiting.findIndex(({ zone }) => (copies.get(zone) ?? 0) === fewest),
      1,
    );
    chosen.push(next!.peerId);
    copies.set(next!.zone, fewest + 1);
  }
  return chosen;
}
