import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from './abort.ts';
import type { WordLane } from './lane-words.ts';
import type { Lane } from './lane.ts';

/** A caller waits this long for a TLS lane before it gets a stream lane; the TLS lane goes on being opened, for the next. */
const PATIENCE_MS = 300;

/** What this needs of a `StreamLaneHub`. */
export interface StreamLanes {
  current(peerId: string): (Lane & WordLane) | undefined;
  lane(peerId: string, signal?: AbortSignal): Promise<Lane>;
}

/** What this needs of a `TlsLaneHub`. */
export interface TlsLanes {
  current(peerId: string): (Lane & WordLane) | undefined;
  lane(peerId: string): Promise<Lane>;
  isWorthTrying(peerId: string): boolean;
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

  /** The lane to the peer that is open now. */
  current(peerId: string): (Lane & WordLane) | undefined {
    return this.#tls?.current(peerId) ?? this.#streams.current(peerId);
  }

  /** A lane to the peer, the same one for all callers until it ends or a better one is open. @throws `peer-gone`, `timeout`, `aborted` */
  async lane(peerId: string, signal?: AbortSignal): Promise<Lane> {
    const tls = this.#tls;
    const current = tls?.current(peerId);
    if (current !== undefined) return current;
    if (tls === undefined || !tls.isWorthTrying(peerId)) return await this.#streams.lane(peerId, signal);
    const patience = new AbortController();
    const waited = delay(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    try {
      // Why there is none matters to nobody who gets a stream lane instead.
      const opened = await unlessAborted(Promise.race([tls.lane(peerId).catch(() => undefined), waited]), signal);
      return opened ?? await this.#streams.lane(peerId, signal);
    } finally {
      patience.abort();
    }
  }

  /** The peer is no member any longer. Its streams end with its connection; this ends the rest. */
  forget(peerId: string): void {
    this.#tls?.forget(peerId);
  }
}
