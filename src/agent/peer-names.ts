import { BoundedMap } from '../bounded-map.ts';
import type { ConnectedPeers, Peer } from '../swarm/network/network.ts';

/** Names of members that are remembered after they left. */
const MAX_NAMES = 1000;

/** What members call themselves, also those that have left or were banned: people know hosts by name. */
export class PeerNames {
  readonly #network: Pick<ConnectedPeers, 'peer' | 'onPeer'>;
  readonly #left = new BoundedMap<string, string>(MAX_NAMES);
  readonly #unsubscribe: () => void;

  constructor(network: Pick<ConnectedPeers, 'peer' | 'onPeer'>) {
    this.#network = network;
    this.#unsubscribe = network.onPeer((event, peer) => {
      if (event === 'left') this.#remember(peer);
    });
  }

  /** Empty for one that has said none. */
  of(peerId: string): string {
    return this.#network.peer(peerId)?.name ?? this.#left.get(peerId) ?? '';
  }

  /** The name, else the peer id. */
  called(peerId: string): string {
    const name = this.of(peerId);
    return name === '' ? peerId : name;
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }

  #remember({ peerId, name }: Peer): void {
    if (name === '') return;
    // The last to leave is the last to be forgotten.
    this.#left.set(peerId, name);
  }
}
