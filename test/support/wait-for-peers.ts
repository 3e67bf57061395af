import type { Network } from '../../src/swarm/network/network.ts';

/** Resolves once every one of the peers has joined. */
export async function connected(network: Network, ...peerIds: string[]): Promise<void> {
  await until(network, () => peerIds.every((peerId) => network.peer(peerId) !== undefined));
}

/** Resolves once the peer is not connected. */
export async function left(network: Network, peerId: string): Promise<void> {
  await until(network, () => network.peer(peerId) === undefined);
}

export async function peerCount(network: Network, count: number): Promise<void> {
  await until(network, () => network.peers().length >= count);
}

async function until(network: Network, holds: () => boolean): Promise<void> {
  if (holds()) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const unsubscribe = network.onPeer(() => {
    if (holds()) resolve(undefined);
  });
  try {
    await promise;
  } finally {
    unsubscribe();
  }
}
