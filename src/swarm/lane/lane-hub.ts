import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from './abort.ts';
import type { WordLane } from './lane-words.ts';
import type { Lane } from './lane.ts';
import type { Route } from './route.ts';

/** A caller waits this long for a TLS lane before it gets a stream lane; the TLS lane goes on being opened, for the next. */
const PATIENCE_MS = 300;

/** What this needs of a `StreamLaneHub`. */
export interface StreamLanes {
  current(route: Route): (Lane & WordLane) | undefined;
  lane(route: Route, signal?: AbortSignal): Promise<Lane>;
}

/** What this needs of a `TlsLaneHub`. */
export interface TlsLanes {
  current(route: Route): (Lane & WordLane) | undefined;
  lane(route: Route): Promise<Lane>;
  isWorthTrying(route: Route): boolean;
  forget(peerId: string): void;
}

/** The lanes of a node: over TLS to every peer whose bulk port can be reached or that can reach this one's, else over libp2p. */
export class LaneHub {
  readonly #streams: StreamLanes;
  readonly #tls: TlsLanes | undefined;

  /** `tls`: absent where the bulk port is off. */
  constructor(streams: StreamLanes, tls: TlsLanes | undefined) {
    this.#streams = streams;
    this.#tls = tls;
  }

  /** The lane there that is open now. */
  current(route: Route): (Lane & WordLane) | undefined {
    return this.#tls?.current(route) ?? this.#streams.current(route);
  }

  /** A lane there, the same one for all callers until it ends or a better one is open. @throws `peer-gone`, `timeout`, `aborted` */
  async lane(route: Route, signal?: AbortSignal): Promise<Lane> {
    const tls = this.#tls;
    const current = tls?.current(route);
    if (current !== undefined) return current;
    if (tls === undefined || !tls.isWorthTrying(route)) return await this.#streams.lane(route, signal);
    const patience = new AbortController();
    const waited = delay(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    try {
      // Why there is none matters to nobody who gets a stream lane instead.
      const opened = await unlessAborted(Promise.race([tls.lane(route).catch(() => undefined), waited]), signal);
      return opened ?? (await this.#streams.lane(route, signal));
    } finally {
      patience.abort();
    }
  }

  /** The peer is no member any longer. Its streams end with its connection; this ends the rest. */
  forget(peerId: string): void {
    this.#tls?.forget(peerId);
  }
}
