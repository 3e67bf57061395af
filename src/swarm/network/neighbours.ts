import type { Peer } from './network.ts';

/** Who can be let go without hurting anything: somebody at random among those that no lane is open to. */
export function chooseSurplus(peers: readonly Peer[], random: () => number): Peer | undefined {
  const idle = peers.filter((peer) => peer.lane === 'none');
  return idle[Math.floor(random() * idle.length)];
}
