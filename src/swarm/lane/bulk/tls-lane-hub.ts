import { LayerswarmError } from '../../../errors.ts';
import { parseTcpAddress } from '../../network/address.ts';
import type { Network, Peer } from '../../network/network.ts';
import type { BulkOffer } from '../../protocol/message.ts';
import { unlessAborted } from '../abort.ts';
import { LaneOpenings } from '../lane-openings.ts';
import type { SessionLane } from '../session-lane.ts';
import { bulkCandidates } from './bulk-address.ts';
import type { BulkPort } from './bulk-port.ts';

/** One address: connecting and the handshake. On a network where this is not enough the port is not to be reached. */
const DIAL_TIMEOUT_MS = 2000;
/** Both directions, and the messages between. */
const OPEN_TIMEOUT_MS = 8000;
/** A peer whose port could not be reached is left in peace for this long. */
const DEFAULT_RETRY_MS = 300_000;

export interface TlsLaneOptions {
  readonly retryMs?: number | undefined;
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
  readonly #openings = new LaneOpenings(async (peerId) => await this.#open(peerId));
  /** Peers that were asked to dial this node, and have not yet. */
  readonly #expected = new Map<string, (lane: SessionLane) => void>();
  /** When a peer whose port could not be reached may be tried again. */
  readonly #retryAt = new Map<string, number>();

  constructor(port: BulkPort, control: BulkControl, options: TlsLaneOptions = {}) {
    this.#port = port;
    this.#control = control;
    this.#options = options;
    port.onOpened = (lane, { asked }) => { this.#onOpened(lane, asked); };
    control.handle('bulk-open', ({ fingerprint }, from) => ({ type: 'bulk-ticket', offer: port.offer(from.peerId, fingerprint, false) }));
    control.handle('bulk-dial', async ({ offer }, from) => {
      const lane = await this.#dial(from, offer, AbortSignal.timeout(OPEN_TIMEOUT_MS));
      if (this.current(from.peerId) === undefined) this.#openings.use(lane);
      return { type: 'ok' };
    });
  }

  current(peerId: string): SessionLane | undefined {
    return this.#openings.current(peerId);
  }

  /** False for a while after a lane to this peer could not be opened. */
  isWorthTrying(peerId: string): boolean {
    const retryAt = this.#retryAt.get(peerId);
    return retryAt === undefined || retryAt <= this.#now();
  }

  /** The lane to the peer, the same one for all callers while it lives. @throws `peer-gone`, `timeout`, `unavailable`, `unsupported`, `aborted` */
  async lane(peerId: string, signal?: AbortSignal): Promise<SessionLane> {
    return await this.#openings.lane(peerId, signal);
  }

  /** The peer is no member any longer. */
  forget(peerId: string): void {
    this.#retryAt.delete(peerId);
    this.#expected.delete(peerId);
  }

  async #open(peerId: string): Promise<SessionLane> {
    const deadline = AbortSignal.timeout(OPEN_TIMEOUT_MS);
    try {
      const lane = await unlessAborted(this.#negotiate(peerId, deadline), deadline);
      this.#retryAt.delete(peerId);
      return lane;
    } catch (error) {
      this.#retryAt.set(peerId, this.#now() + (this.#options.retryMs ?? DEFAULT_RETRY_MS));
      if (deadline.aborted) throw new LayerswarmError('timeout', `no TLS lane to peer ${peerId} within ${OPEN_TIMEOUT_MS} ms`, { cause: error });
      throw error;
    }
  }

  async #negotiate(peerId: string, signal: AbortSignal): Promise<SessionLane> {
    const { offer } = await this.#control.request(peerId, { type: 'bulk-open', fingerprint: this.#port.fingerprint }, 'bulk-ticket', { signal });
    const peer = this.#control.peer(peerId);
    if (peer === undefined) throw new LayerswarmError('peer-gone', `peer ${peerId} is not connected`);
    try {
      return await this.#dial(peer, offer, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // Its port cannot be reached from here. Perhaps this one can be reached from there.
      return await this.#askToDial(peerId, offer.fingerprint, signal);
    }
  }

  async #askToDial(peerId: string, fingerprint: Uint8Array, signal: AbortSignal): Promise<SessionLane> {
    const { promise, resolve } = Promise.withResolvers<SessionLane>();
    this.#expected.set(peerId, resolve);
    try {
      await this.#control.request(peerId, { type: 'bulk-dial', offer: this.#port.offer(peerId, fingerprint, true) }, 'ok', { signal });
      return await unlessAborted(promise, signal);
    } finally {
      this.#expected.delete(peerId);
    }
  }

  async #dial({ peerId, address }: Peer, offer: BulkOffer, signal: AbortSignal): Promise<SessionLane> {
    return await this.#port.dial(peerId, bulkCandidates(offer.addresses, parseTcpAddress(address)?.host), offer, DIAL_TIMEOUT_MS, signal);
  }

  #onOpened(lane: SessionLane, asked: boolean): void {
    const expected = this.#expected.get(lane.peerId);
    if (this.#control.peer(lane.peerId) === undefined) void lane.close();
    else if (expected !== undefined && asked) expected(lane);
    // Whoever asked for it has given up waiting: it serves the next.
    else if (asked) this.#openings.use(lane);
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}
