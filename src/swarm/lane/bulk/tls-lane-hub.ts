import { randomBytes } from 'node:crypto';
import { LayerswarmError } from '../../../errors.ts';
import { parseTcpAddress } from '../../network/address.ts';
import type { Network, Peer } from '../../network/network.ts';
import type { BulkOffer } from '../../protocol/message.ts';
import { abortedBy, unlessAborted } from '../abort.ts';
import type { Lane, LaneSource } from '../lane.ts';
import { bulkCandidates } from './bulk-address.ts';
import type { BulkThread } from './bulk-thread.ts';
import { TICKET_BYTES } from './tickets.ts';
import type { TlsLane } from './tls-lane.ts';

/** One address: connecting and the handshake. On a network where this is not enough the port is not to be reached. */
const DIAL_TIMEOUT_MS = 2000;
/** Both directions, and the messages between. */
const OPEN_TIMEOUT_MS = 8000;
const TICKET_LIFETIME_MS = 15_000;
/** A peer whose port could not be reached is left in peace for this long. */
const DEFAULT_RETRY_MS = 300_000;
const MAX_ADDRESSES = 8;

export interface TlsLaneOptions {
  readonly retryMs?: number | undefined;
  /** Milliseconds. */
  readonly now?: (() => number) | undefined;
  /** A lane to this peer is open now, whoever opened it; or (undefined) none any longer. */
  readonly onLane?: ((peerId: string, lane: Lane | undefined) => void) | undefined;
}

/** The control connections, over which the peers exchange addresses, fingerprints and tickets; a `Network` is one. */
export type BulkControl = Pick<Network, 'self' | 'peer' | 'request' | 'handle'>;

interface Opening {
  readonly lane: Promise<TlsLane>;
  readonly arrived: (lane: TlsLane) => void;
}

/**
 * The TLS lanes of a node: one a peer, opened by whichever side needs it first and can reach the other. Of two that open at once
 * the one with the smaller peer id does it.
 */
export class TlsLaneHub {
  readonly #thread: BulkThread;
  readonly #control: BulkControl;
  readonly #options: TlsLaneOptions;
  readonly #lanes = new Map<string, TlsLane>();
  readonly #openings = new Map<string, Opening>();
  /** When a peer whose port could not be reached may be tried again. */
  readonly #retryAt = new Map<string, number>();

  constructor(thread: BulkThread, control: BulkControl, source: LaneSource, options: TlsLaneOptions = {}) {
    this.#thread = thread;
    this.#control = control;
    this.#options = options;
    thread.lanes.serve(source, {
      onOpened: (lane) => { this.#onOpened(lane); },
      onRetired: (lane) => { this.#drop(lane); },
    });
    control.handle('bulk-open', async ({ fingerprint }, from) => {
      const opensItself = this.#openings.has(from.peerId) && control.self < from.peerId;
      return { type: 'bulk-ticket', ...(opensItself ? {} : { offer: await this.#offer(from.peerId, fingerprint) }) };
    });
    control.handle('bulk-dial', async ({ offer }, from) => {
      this.#use(await this.#dial(from, offer, AbortSignal.timeout(OPEN_TIMEOUT_MS)));
      return { type: 'ok' };
    });
  }

  current(peerId: string): TlsLane | undefined {
    return this.#lanes.get(peerId);
  }

  /** False for a while after a lane to this peer could not be opened. */
  isWorthTrying(peerId: string): boolean {
    const retryAt = this.#retryAt.get(peerId);
    return retryAt === undefined || retryAt <= this.#now();
  }

  /** The lane to the peer, the same one for all callers while it lives. @throws `peer-gone`, `timeout`, `unavailable`, `unsupported`, `aborted` */
  async lane(peerId: string, signal?: AbortSignal): Promise<TlsLane> {
    return this.current(peerId) ?? await unlessAborted((this.#openings.get(peerId) ?? this.#open(peerId)).lane, signal);
  }

  /** The peer is no member any longer. */
  forget(peerId: string): void {
    this.#retryAt.delete(peerId);
    void this.current(peerId)?.close();
  }

  #open(peerId: string): Opening {
    const { promise: arrival, resolve: arrived } = Promise.withResolvers<TlsLane>();
    const opening: Opening = { lane: this.#openOrTake(peerId, arrival), arrived };
    this.#openings.set(peerId, opening);
    return opening;
  }

  async #openOrTake(peerId: string, arrival: Promise<TlsLane>): Promise<TlsLane> {
    const deadline = AbortSignal.timeout(OPEN_TIMEOUT_MS);
    const settled = new AbortController();
    const signal = AbortSignal.any([deadline, settled.signal]);
    try {
      const lane = await unlessAborted(Promise.race([this.#negotiate(peerId, arrival, signal), arrival]), deadline);
      this.#retryAt.delete(peerId);
      return lane;
    } catch (error) {
      this.#retryAt.set(peerId, this.#now() + (this.#options.retryMs ?? DEFAULT_RETRY_MS));
      if (deadline.aborted) throw new LayerswarmError('timeout', `no TLS lane to peer ${peerId} within ${OPEN_TIMEOUT_MS} ms`, { cause: error });
      throw error;
    } finally {
      this.#openings.delete(peerId);
      settled.abort();
    }
  }

  async #negotiate(peerId: string, arrival: Promise<TlsLane>, signal: AbortSignal): Promise<TlsLane> {
    const { fingerprint } = this.#thread;
    const { offer } = await this.#control.request(peerId, { type: 'bulk-open', fingerprint }, 'bulk-ticket', { signal });
    if (offer === undefined) return await arrival;
    const peer = this.#control.peer(peerId);
    if (peer === undefined) throw new LayerswarmError('peer-gone', `peer ${peerId} is not connected`);
    try {
      const lane = await this.#dial(peer, offer, signal);
      if (signal.aborted) {
        void lane.close();
        throw abortedBy(signal);
      }
      this.#use(lane);
      return lane;
    } catch (error) {
      if (signal.aborted) throw error;
      // Its port cannot be reached from here. Perhaps this one can be reached from there.
      await this.#control.request(peerId, { type: 'bulk-dial', offer: await this.#offer(peerId, offer.fingerprint) }, 'ok', { signal });
      return await arrival;
    }
  }

  /** A ticket for this peer. */
  async #offer(peerId: string, fingerprint: Uint8Array): Promise<BulkOffer> {
    const ticket = randomBytes(TICKET_BYTES);
    await this.#thread.worker.call('admit', { secret: ticket, peerId, fingerprint, expiresInMs: TICKET_LIFETIME_MS });
    return { addresses: this.#thread.addresses().slice(0, MAX_ADDRESSES), fingerprint: this.#thread.fingerprint, ticket, expiresInMs: TICKET_LIFETIME_MS };
  }

  async #dial({ peerId, address }: Peer, offer: BulkOffer, signal: AbortSignal): Promise<TlsLane> {
    const addresses = bulkCandidates(offer.addresses, parseTcpAddress(address)?.host).slice(0, MAX_ADDRESSES);
    const { fingerprint, ticket } = offer;
    const id = await this.#thread.worker.call('dial', { peerId, addresses, fingerprint, ticket, timeoutMs: DIAL_TIMEOUT_MS }, { signal });
    return this.#thread.lanes.get(id);
  }

  #onOpened(lane: TlsLane): void {
    if (this.#control.peer(lane.peerId) === undefined) {
      void lane.close();
      return;
    }
    this.#use(lane);
    this.#retryAt.delete(lane.peerId);
    this.#openings.get(lane.peerId)?.arrived(lane);
  }

  #use(lane: TlsLane): void {
    // The peer opens another only when it takes nothing new on the last.
    this.current(lane.peerId)?.drain();
    this.#lanes.set(lane.peerId, lane);
    this.#options.onLane?.(lane.peerId, lane);
  }

  #drop(lane: TlsLane): void {
    if (this.current(lane.peerId) !== lane) return;
    this.#lanes.delete(lane.peerId);
    this.#options.onLane?.(lane.peerId, undefined);
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}
