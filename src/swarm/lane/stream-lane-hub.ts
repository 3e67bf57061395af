import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { errorCode, LayerswarmError } from '../../errors.ts';
import { unlessAborted } from './abort.ts';
import { encodeFrame } from './frame.ts';
import { LaneSession } from './lane-session.ts';
import type { Lane, LaneSource } from './lane.ts';
import type { Bandwidth } from './pace/bandwidth.ts';
import { StreamLane } from './stream-lane.ts';
import { StreamTransport } from './stream-transport.ts';
import { UploadSlots } from './upload-slots.ts';

export const LANE_PROTOCOL = '/layerswarm/lane/1';
/** From the wish for a lane to the peer's hello. */
export const DEFAULT_OPEN_TIMEOUT_MS = 10_000;
/** One lane, and those it replaced that are not done yet. */
const MAX_STREAMS = 8;

export interface StreamLaneOptions {
  readonly stallMs?: number | undefined;
  readonly idleMs?: number | undefined;
  readonly openTimeoutMs?: number | undefined;
  /** The host that a peer counts to where limits are by host; each peer is one by itself, if this is not set. */
  readonly hostOf?: ((peerId: string) => string) | undefined;
  readonly bandwidth?: Bandwidth | undefined;
  /** Whether this peer may open a lane; everybody may, if this is not set. */
  readonly admit?: ((peerId: string) => boolean) | undefined;
  /** A lane to this peer is open now, whoever opened it; or (undefined) none any longer. */
  readonly onLane?: ((peerId: string, lane: Lane | undefined) => void) | undefined;
}

/** A lane that this side is opening. */
interface Opening {
  readonly lane: Promise<StreamLane>;
  /** The peer has opened one meanwhile. */
  readonly arrived: (lane: StreamLane) => void;
}

/**
 * The stream lanes of a node: one a peer, opened by whichever side needs it first. When both open at once, the one of the smaller
 * peer id stays, and the other stream is answered with `bye`.
 */
export class StreamLaneHub {
  readonly #libp2p: Pick<Libp2p, 'peerId' | 'handle' | 'unhandle' | 'dialProtocol'>;
  readonly #source: LaneSource;
  readonly #options: StreamLaneOptions;
  readonly #self: string;
  readonly #slots = new UploadSlots();
  readonly #lanes = new Map<string, StreamLane>();
  readonly #openings = new Map<string, Opening>();
  /** Those behind `#lanes`, those that are ending, and those that are being opened. */
  readonly #sessions = new Set<LaneSession>();

  constructor(libp2p: Pick<Libp2p, 'peerId' | 'handle' | 'unhandle' | 'dialProtocol'>, source: LaneSource, options: StreamLaneOptions = {}) {
    this.#libp2p = libp2p;
    this.#source = source;
    this.#options = options;
    this.#self = libp2p.peerId.toString();
  }

  async start(): Promise<void> {
    await this.#libp2p.handle(LANE_PROTOCOL, (stream, connection) => { this.#onStream(stream, connection); }, { maxInboundStreams: MAX_STREAMS, maxOutboundStreams: MAX_STREAMS });
  }

  /** Ends all lanes. */
  async stop(): Promise<void> {
    await this.#libp2p.unhandle(LANE_PROTOCOL);
    await Promise.all(Array.from(this.#sessions, async (session) => { await session.close(); }));
  }

  /** The lane to the peer that is open now. */
  current(peerId: string): StreamLane | undefined {
    return this.#lanes.get(peerId);
  }

  /** The lane to the peer, the same one for all callers while it lives. @throws `peer-gone`, `timeout`, `aborted` */
  async lane(peerId: string, signal?: AbortSignal): Promise<StreamLane> {
    return this.current(peerId) ?? await unlessAborted((this.#openings.get(peerId) ?? this.#open(peerId)).lane, signal);
  }

  #open(peerId: string): Opening {
    const { promise: arrival, resolve: arrived } = Promise.withResolvers<StreamLane>();
    const opening: Opening = { lane: this.#openOrTake(peerId, arrival), arrived };
    this.#openings.set(peerId, opening);
    return opening;
  }

  /** Opens a lane, unless the peer's own comes first. */
  async #openOrTake(peerId: string, arrival: Promise<StreamLane>): Promise<StreamLane> {
    const openTimeoutMs = this.#options.openTimeoutMs ?? DEFAULT_OPEN_TIMEOUT_MS;
    const deadline = AbortSignal.timeout(openTimeoutMs);
    const settled = new AbortController();
    const signal = AbortSignal.any([deadline, settled.signal]);
    try {
      return await unlessAborted(Promise.race([this.#dial(peerId, arrival, signal), arrival]), deadline);
    } catch (error) {
      if (deadline.aborted) throw new LayerswarmError('timeout', `no lane to peer ${peerId} within ${openTimeoutMs} ms`, { cause: error });
      throw error;
    } finally {
      this.#openings.delete(peerId);
      settled.abort();
    }
  }

  async #dial(peerId: string, arrival: Promise<StreamLane>, signal: AbortSignal): Promise<StreamLane> {
    const stream = await this.#libp2p.dialProtocol(peerIdFromString(peerId), LANE_PROTOCOL, { signal }).catch((cause: unknown) => {
      throw new LayerswarmError('peer-gone', `peer ${peerId} takes no lane`, { cause });
    });
    const lane = this.#attach(peerId, stream, 'opener');
    const abandon = (): void => { void lane.close(); };
    if (signal.aborted) abandon();
    signal.addEventListener('abort', abandon, { once: true });
    try {
      await lane.ready;
    } catch (error) {
      // The peer opens one too, and its own is to stay.
      if (errorCode(error) === 'unavailable') return await arrival;
      throw error;
    } finally {
      signal.removeEventListener('abort', abandon);
    }
    this.#use(lane);
    return lane;
  }

  #onStream(stream: Stream, connection: Connection): void {
    const peerId = connection.remotePeer.toString();
    if (this.#options.admit?.(peerId) === false) {
      stream.abort(new LayerswarmError('denied', `peer ${peerId} may not open a lane`));
      return;
    }
    const opening = this.#openings.get(peerId);
    if (opening !== undefined && this.#self < peerId) {
      const transport = new StreamTransport(stream);
      transport.send(encodeFrame({ type: 'bye', id: 0 }));
      void transport.end();
      return;
    }
    const lane = this.#attach(peerId, stream, 'acceptor');
    // The peer opens another only when it takes nothing new on the last.
    this.current(peerId)?.drain();
    this.#use(lane);
    opening?.arrived(lane);
  }

  #attach(peerId: string, stream: Stream, role: 'opener' | 'acceptor'): StreamLane {
    const session = new LaneSession(new StreamTransport(stream), {
      peerId, role,
      source: { read: async (blob, range) => await this.#source.read(peerId, blob, range) },
      stallMs: this.#options.stallMs,
      idleMs: this.#options.idleMs,
      host: this.#options.hostOf?.(peerId) ?? peerId,
      slots: this.#slots,
      bandwidth: this.#options.bandwidth,
      onDraining: () => { this.#drop(lane); },
      onClosed: () => { this.#sessions.delete(session); },
    });
    this.#sessions.add(session);
    const lane = new StreamLane(session);
    return lane;
  }

  #use(lane: StreamLane): void {
    this.#lanes.set(lane.peerId, lane);
    this.#options.onLane?.(lane.peerId, lane);
  }

  #drop(lane: StreamLane): void {
    if (this.#lanes.get(lane.peerId) !== lane) return;
    this.#lanes.delete(lane.peerId);
    this.#options.onLane?.(lane.peerId, undefined);
  }
}
