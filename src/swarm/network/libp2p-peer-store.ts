import { peerIdFromString } from '@libp2p/peer-id';
import { parseTcpAddress } from './address.ts';
import type { Node } from './libp2p-node.ts';

/** The hosts in what the peer signed itself, the record that identify brings. Never throws. */
export async function certifiedHosts(node: Node, peerId: string): Promise<readonly string[]> {
  try {
    const { addresses } = await node.peerStore.get(peerIdFromString(peerId));
    return addresses
      .filter(({ isCertified }) => isCertified)
      .map(({ multiaddr: address }) => parseTcpAddress(address.toString())?.host ?? '');
  } catch {
    return []; // none was brought yet
  }
}

/** What libp2p would prune first when there are too many connections has no tag. Never throws. */
export async function tagConnection(node: Node, peerId: string, isMember: boolean): Promise<void> {
  try {
    await node.peerStore.merge(peerIdFromString(peerId), { tags: { 'layerswarm-member': isMember ? { value: 100 } : undefined } });
  } catch {
    // Without the tag the connection is merely less safe from pruning.
  }
}
