import type { BlobNetwork } from '../network/network.ts';
import type { BlobOrigin, Say } from '../swarm.ts';
import type { Coordinators } from './coordinators.ts';
import type { ExchangeStore } from './exchange-store.ts';
import type { PeerRates } from './peer-rates.ts';
import type { Strikes } from './strikes.ts';

/** What every transfer of a node shares. */
export interface TransferContext {
  readonly network: BlobNetwork;
  readonly store: ExchangeStore;
  readonly coordinators: Coordinators;
  readonly rates: PeerRates;
  readonly strikes: Strikes;
  readonly say: Say | undefined;
  /** This node's own; undefined where zones do not matter. */
  readonly zone: string | undefined;
  origin(): BlobOrigin | undefined;
  /** ms */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** So many pieces came, and are the blob's. */
  proven(pieces: number): void;
  /** Pieces that the peer is answerable for turned out wrong. */
  broughtWrong(peer: string, pieces: number): void;
}
