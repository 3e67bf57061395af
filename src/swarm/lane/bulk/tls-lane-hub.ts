import { errorCode, LayerswarmError } from '../../../errors.ts';
import { parseTcpAddress } from '../../network/address.ts';
import type { Network, Peer } from '../../network/network.ts';
import type { BulkOffer } from '../../protocol/message.ts';
import { unlessAborted } from '../abort.ts';
import { LaneOpenings } from '../lane-openings.ts';
import { parseRoute, routesTo, routeTo, type Route } from '../route.ts';
import type { SessionLane } from '../session-lane.ts';
import { bulkCandidates } from './bulk-address.ts';
import type { BulkPort } from './bulk-port.ts';

/** One address: connecting and the handshake. On a network where this is not enough the port is not to be reached. */
const DIAL_TIMEOUT_MS = 2000;
/** Both directions, and the messages between. */
const OPEN_TIMEOUT_MS = 8000;
/** A peer whose port could not be reached is left in peace for this long: its thread may just be starting again. */
const FIRST_RETRY_MS = 5000;
/** Each time that it is in vain so much longer, up to … */
const RETRY_FACTOR = 4;
/** … this, which is for a peer that has no such port at once. */
const MAX_RETRY_MS = 300_000;

export interface TlsLaneOptions {
  /** Of this node; 0 where it has one. */
  readonly thread?: number;
  /** Milliseconds. */
  readonly now?: (() => number) | undefined;
}

/** The control connections, over which the peers exchange addresses, fingerprints and tickets; a `Network` is one. */
export type BulkControl = Pick<Network, 'self' | 'peer' | 'request' | 'handle'>;

/**
 * The TLS lanes on which this node makes requests. It dials them itself, since only a dialled socket reads into memory of ours; a peer
 * whose port cannot be reached from here is asked to dial, and that lane serves both ways.
 */
export class TlsLaneHub {
  readonly #port: BulkPort;
  readonly #control: BulkControl;
  readonly #options: TlsLaneOptions;
  readonly #openings = new LaneOpenings(async (route) => await this.#open(route));
  /** Threads of peers that were asked to dial this node, and have not yet. */
  readonly #expected = new Map<Route, (lane: SessionLane) => void>();
  /** When a thread of a peer that could not be reached may be tried again, and how long that was from the last try. */
  readonly #retries = new Map<Route, { readonly at: number; readonly afterMs: number }>();

  constructor(port: BulkPort, control: BulkControl, options: TlsLaneOptions = {}) {
    this.#port = port;
    this.#control = control;
    this.#options = options;
    port.onOpened = (lane, { asked }) => {
      this.#onOpened(lane, asked);
    };
    control.handle('bulk-open', ({ fingerprint, from }, { peerId }) => ({
      type: 'bulk-ticket',
      offer: port.offer(routeTo(peerId, from), fingerprint, false),
    }));
    control.handle('bulk-dial', async ({ offer, from }, peer) => {
      const route = routeTo(peer.peerId, from);
      const lane = await this.#dial(route, peer, offer, AbortSignal.timeout(OPEN_TIMEOUT_MS));
      if (this.current(route) === undefined) this.#openings.use(lane);
      return { type: 'ok' };
    });
  }

  current(route: Route): SessionLane | undefined {
    return this.#openings.current(route);
  }

  /** False for a while after a lane there could not be opened. */
  isWorthTrying(route: Route): boolean {
    const retry = this.#retries.get(route);
    return retry === undefined || retry.at <= this.#now();
  }

  /** The lane there, the same one for all callers while it lives. @throws `peer-gone`, `timeout`, `unavailable`, `unsupported`, `aborted` */
  async lane(route: Route, signal?: AbortSignal): Promise<SessionLane> {
    return await this.#openings.lane(route, signal);
  }

  /** The peer is no member any longer. */
  forget(peerId: string): void {
    for (const route of routesTo(peerId)) {
      this.#retries.delete(route);
      this.#expected.delete(route);
    }
  }

  async #open(route: Route): Promise<SessionLane> {
    const deadline = AbortSignal.timeout(OPEN_TIMEOUT_MS);
    try {
      const lane = await unlessAborted(this.#negotiate(route, deadline), deadline);
      this.#retries.delete(route);
      return lane;
    } catch (error) {
      const before = this.#retries.get(route)?.afterMs;
      const next = before === undefined ? FIRST_RETRY_MS : Math.min(MAX_RETRY_MS, before * RETRY_FACTOR);
      const afterMs = errorCode(error) === 'unsupported' ? MAX_RETRY_MS : next;
      this.#retries.set(route, { at: this.#now() + afterMs, afterMs });
      if (deadline.aborted)
        throw new LayerswarmError('timeout', `no TLS lane to peer ${route} within ${OPEN_TIMEOUT_MS} ms`, { cause: error });
      throw error;
    }
  }

  async #negotiate(route: Route, signal: AbortSignal): Promise<SessionLane> {
    const { peerId, thread } = parseRoute(route);
    const { offer } = await this.#control.request(
      peerId,
      { type: 'bulk-open', fingerprint: this.#port.fingerprint, from: this.#thread, to: thread },
      'bulk-ticket',
      { signal },
    );
    const peer = this.#control.peer(peerId);
    if (peer === undefined) throw new LayerswarmError('peer-gone', `peer ${peerId} is not connected`);
    try {
      return await this.#dial(route, peer, offer, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // Its port cannot be reached from here. Perhaps this one can be reached from there.
      return await this.#askToDial(route, offer.fingerprint, signal);
    }
  }

  async #askToDial(route: Route, fingerprint: Uint8Array, signal: AbortSignal): Promise<SessionLane> {
    const { promise, resolve } = Promise.withResolvers<SessionLane>();
    const { peerId, thread } = parseRoute(route);
    this.#expected.set(route, resolve);
    try {
      await this.#control.request(
        peerId,
        { type: 'bulk-dial', offer: this.#port.offer(route, fingerprint, true), from: this.#thread, to: thread },
        'ok',
        { signal },
      );
      return await unlessAborted(promise, signal);
    } finally {
      this.#expected.delete(route);
    }
  }

  async #dial(route: Route, { address }: Peer, offer: BulkOffer, signal: AbortSignal): Promise<SessionLane> {
    return await this.#port.dial(route, bulkCandidates(offer.addresses, parseTcpAddress(address)?.host), offer, DIAL_TIMEOUT_MS, signal);
  }

  #onOpened(lane: SessionLane, asked: boolean): void {
    const expected = this.#expected.get(lane.route);
    if (this.#control.peer(lane.peerId) === undefined) void lane.close();
    else if (expected !== undefined && asked) expected(lane);
    // Whoever asked for it has given up waiting: it serves the next.
    else if (asked) this.#openings.use(lane);
  }

  get #thread(): number {
    return this.#options.thread ?? 0;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}
