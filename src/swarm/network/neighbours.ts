import type { Peer } from './network.ts';

/** What deciding about neighbours needs of a peer. */
export interface Neighbour {
  readonly peerId: string;
  readonly lane: Peer['lane'];
  /** Milliseconds since the epoch. */
  readonly joinedAt: number;
}

/**
 * Whom to let go when there are more than `max`: the newest, so that neighbours who work together stay together, but nobody who
 * came within `graceMs`, for who starts needs somebody to tell it of others; and nobody with an open lane. Lookups in the DHT
 * bring most of these.
 */
export function chooseSurplus(neighbours: readonly Neighbour[], max: number, now: number, graceMs: number): Neighbour[] {
  return neighbours
    .filter((neighbour) => neighbour.lane === 'none' && now - neighbour.joinedAt >= graceMs)
    .sort((a, b) => b.joinedAt - a.joinedAt)
    .slice(0, Math.max(0, neighbours.length - max));
}

/** Whom to exchange for another now and then: anybody whom no lane is open to. */
export function chooseExchanged(neighbours: readonly Neighbour[], random: () => number): Neighbour | undefined {
  const idle = neighbours.filter((neighbour) => neighbour.lane === 'none');
  return idle[Math.floor(random() * idle.length)];
}
