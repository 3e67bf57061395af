import { BoundedMap } from '../../bounded-map.ts';
import { TokenBucket } from '../network/rate-limit.ts';
import { routesTo, type Route } from './route.ts';

/** Addresses that are counted; one that sent nothing for long has its whole share again, and need not be remembered. */
const MAX_ADDRESSES = 1024;

/** Frames of one kind a second; twice that at once. Over it they are read later, not refused. */
export interface FrameRates {
  readonly peer: number;
  /** Of all peers at one address: who has many identities, or leaves and comes back, has no more. */
  readonly address: number;
}

/** Counts what this thread has to do for frames of a kind against the peer that sends them, and against its address. */
export class FramePace {
  readonly #rates: FrameRates;
  readonly #now: () => number;
  readonly #peers = new Map<Route, TokenBucket>();
  /** What came last is last. */
  readonly #addresses = new BoundedMap<string, TokenBucket>(MAX_ADDRESSES);

  /** `now`: milliseconds. */
  constructor(rates: FrameRates, now: () => number = Date.now) {
    this.#rates = rates;
    this.#now = now;
  }

  /**
   * A frame came that counts as so many: for how many milliseconds nothing more is to be read of its sender.
   * @param host the address, or group of addresses, that the lane comes from
   */
  take(route: Route, host: string, frames = 1): number {
    const now = this.#now();
    const own = this.#peers.get(route) ?? bucket(this.#rates.peer, now);
    const shared = this.#addresses.get(host) ?? bucket(this.#rates.address, now);
    this.#peers.set(route, own);
    this.#addresses.set(host, shared);
    own.take(now, frames);
    shared.take(now, frames);
    return Math.max(own.waitMs(now), shared.waitMs(now));
  }

  /** The peer is no member any longer; what its address did is remembered. */
  forget(peerId: string): void {
    for (const route of routesTo(peerId)) this.#peers.delete(route);
  }
}

function bucket(rate: number, now: number): TokenBucket {
  return new TokenBucket(rate, 2 * rate, now);
}
