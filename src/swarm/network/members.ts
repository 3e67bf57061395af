import type { Connection, Stream } from '@libp2p/interface';
import { LayerswarmError } from '../../errors.ts';
import type { MessageOf } from '../protocol/message.ts';
import { DEFAULT_CHANNEL_LIMITS } from './control-channel.ts';
import type { MessageHandlers } from './handlers.ts';
import { addressGroup } from './address.ts';
import { TokenBucket } from './rate-limit.ts';
import { ControlStream, type ControlStreamLimits } from './control-stream.ts';

export const CONTROL_PROTOCOL = '/layerswarm/swarm/1';

export interface MemberLimits extends ControlStreamLimits {
  /** From a connection until its control stream is open. */
  openTimeoutMs: number;
  /** A member that was not heard for this long is asked for a sign of life. */
  pingIntervalMs: number;
  /** A member that was not heard for this long is gone. */
  silenceMs: number;
  /** Messages a second, and at once, of one peer and of all peers at one address. Over it they are read later, not refused. */
  peerRate: { perSecond: number; burst: number };
  addressRate: { perSecond: number; burst: number };
}

export const DEFAULT_MEMBER_LIMITS: MemberLimits = {
  ...DEFAULT_CHANNEL_LIMITS,
  helloTimeoutMs: 10_000,
  openTimeoutMs: 10_000,
  pingIntervalMs: 10_000,
  silenceMs: 30_000,
  peerRate: { perSecond: 2000, burst: 4000 },
  addressRate: { perSecond: 8000, burst: 16_000 },
};

/** Why connections of peers ended that were no good; counts since the start. */
export interface MemberCounts {
  invalidMessages: number;
  helloTimeouts: number;
  queueOverflows: number;
  silent: number;
  /** Messages of types that this version does not know. */
  unknownMessages: number;
}

export interface MemberEvents {
  onJoined(control: ControlStream): void;
  onLeft(control: ControlStream, reason: LayerswarmError): void;
  /** The peer broke the rules of the protocol, or was never a member. */
  onCut(peerId: string, reason: LayerswarmError): void;
}

export interface MembersOptions {
  self: string;
  handlers: MessageHandlers;
  hello: () => MessageOf<'hello'>;
  events: MemberEvents;
  limits: MemberLimits;
}

/** A second connection to a peer is closed this long after it opened: what began on it, such as identify, may end. */
const SURPLUS_CLOSE_MS = 2000;
const PING_TIMEOUT_MS = 20_000;

interface Link {
  readonly connections: Set<Connection>;
  control: ControlStream | undefined;
  opening: boolean;
  openTimer: NodeJS.Timeout | undefined;
}

/**
 * One control stream with every connected peer. Of two peers the one with the lower id opens it, whoever dialled, so that
 * simultaneous dials end with one stream; it also closes surplus connections. Who is connected and does not come to hello is cut.
 */
export class Members {
  readonly counts: MemberCounts = { invalidMessages: 0, helloTimeouts: 0, queueOverflows: 0, silent: 0, unknownMessages: 0 };
  readonly #options: MembersOptions;
  readonly #links = new Map<string, Link>();
  readonly #buckets = new Map<string, { bucket: TokenBucket; streams: number }>();
  readonly #pingTimer: NodeJS.Timeout;
  #stopped = false;
  #checkedAt = Date.now();

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#pingTimer = setInterval(() => {
      this.#pingSilent();
    }, options.limits.pingIntervalMs / 3);
  }

  /** Control streams that have said hello both ways. */
  *joined(): Generator<ControlStream> {
    for (const link of this.#links.values()) if (link.control?.joined === true) yield link.control;
  }

  get(peerId: string): ControlStream | undefined {
    const control = this.#links.get(peerId)?.control;
    return control?.joined === true ? control : undefined;
  }

  /** @throws `peer-gone` */
  require(peerId: string): ControlStream {
    const control = this.get(peerId);
    if (control === undefined) throw new LayerswarmError('peer-gone', `peer ${peerId} is not connected`);
    return control;
  }

  /** Connected, though perhaps not yet joined. */
  has(peerId: string): boolean {
    return this.#links.has(peerId);
  }

  onConnection(connection: Connection): void {
    const peerId = connection.remotePeer.toString();
    const link = this.#links.get(peerId) ?? { connections: new Set(), control: undefined, opening: false, openTimer: undefined };
    this.#links.set(peerId, link);
    link.connections.add(connection);
    connection.addEventListener('close', () => {
      this.#onConnectionClosed(peerId, link, connection);
    });
    if (link.control === undefined) this.#awaitControl(peerId, link);
    else this.#closeSurplus(peerId, link, connection);
  }

  /** A stream of the control protocol that the peer opened. */
  onStream(stream: Stream, connection: Connection): void {
    const peerId = connection.remotePeer.toString();
    const link = this.#links.get(peerId);
    if (this.#stopped || link === undefined || this.#opens(peerId)) {
      stream.abort(new LayerswarmError('peer-misbehaved', 'this side opens the control stream'));
      return;
    }
    // The peer would not open another if it still had the one from before.
    link.control?.close(new LayerswarmError('peer-gone', 'the peer opened a new control stream'));
    this.#begin(peerId, link, stream, connection);
  }

  /** Closes every connection of the peer. */
  cut(peerId: string, reason: LayerswarmError): void {
    const link = this.#links.get(peerId);
    if (link === undefined) return;
    link.control?.close(reason);
    for (const connection of link.connections) connection.abort(reason);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#pingTimer);
    for (const link of this.#links.values()) {
      clearTimeout(link.openTimer);
      link.control?.close(new LayerswarmError('aborted', 'this node stops'));
    }
  }

  /** Whether this node opens the control stream with that peer. */
  #opens(peerId: string): boolean {
    return this.#options.self < peerId;
  }

  #awaitControl(peerId: string, link: Link): void {
    if (this.#stopped || link.control !== undefined || link.connections.size === 0) return;
    link.openTimer ??= setTimeout(() => {
      link.openTimer = undefined;
      this.counts.helloTimeouts += 1;
      this.#refuse(
        peerId,
        new LayerswarmError('timeout', `peer ${peerId} opened no control stream within ${this.#options.limits.openTimeoutMs} ms`),
      );
    }, this.#options.limits.openTimeoutMs);
    if (this.#opens(peerId)) void this.#open(peerId, link);
  }

  async #open(peerId: string, link: Link): Promise<void> {
    const [connection] = link.connections;
    if (link.opening || connection === undefined) return;
    link.opening = true;
    try {
      const stream = await connection.newStream(CONTROL_PROTOCOL, { signal: AbortSignal.timeout(this.#options.limits.openTimeoutMs) });
      if (this.#stopped) stream.abort(new LayerswarmError('aborted', 'this node stops'));
      else this.#begin(peerId, link, stream, connection);
    } catch (cause) {
      connection.abort(new LayerswarmError('peer-gone', `no control stream to peer ${peerId}`, { cause }));
    } finally {
      link.opening = false;
    }
    this.#awaitControl(peerId, link);
  }

  #begin(peerId: string, link: Link, stream: Stream, connection: Connection): void {
    clearTimeout(link.openTimer);
    link.openTimer = undefined;
    const { limits, handlers } = this.#options;
    const address = addressGroup(connection.remoteAddr.toString());
    const shared = this.#takeBucket(address);
    const own = new TokenBucket(limits.peerRate.perSecond, limits.peerRate.burst, Date.now());
    let reported = false;
    link.control = new ControlStream(
      stream,
      connection,
      this.#options.hello(),
      handlers,
      {
        onJoined: (control) => {
          reported = true;
          for (const other of link.connections) if (other !== connection) this.#closeSurplus(peerId, link, other);
          void control.ping(PING_TIMEOUT_MS);
          this.#options.events.onJoined(control);
        },
        onUnknown: () => {
          this.counts.unknownMessages += 1;
        },
        onClosed: (control, reason) => {
          this.#releaseBucket(address);
          if (link.control === control) link.control = undefined;
          this.#count(reason);
          if (reported) this.#options.events.onLeft(control, reason);
          if (
            reason.code === 'peer-misbehaved' ||
            reason.code === 'timeout' ||
            reason.code === 'too-large' ||
            reason.code === 'unsupported'
          )
            this.#refuse(peerId, reason);
          else this.#awaitControl(peerId, link);
        },
      },
      limits,
      [own, shared],
    );
  }

  /** Only one side closes: were both to, they could choose different connections to keep. */
  #closeSurplus(peerId: string, link: Link, connection: Connection): void {
    if (!this.#opens(peerId)) return;
    setTimeout(() => {
      if (link.control === undefined || link.control.connection === connection) return;
      connection.close().catch((error: unknown) => {
        connection.abort(error instanceof Error ? error : new Error('close failed'));
      });
    }, SURPLUS_CLOSE_MS).unref();
  }

  #onConnectionClosed(peerId: string, link: Link, connection: Connection): void {
    link.connections.delete(connection);
    if (link.control?.connection === connection)
      link.control.close(new LayerswarmError('peer-gone', `the connection to peer ${peerId} closed`));
    if (link.connections.size > 0) return;
    clearTimeout(link.openTimer);
    link.openTimer = undefined;
    if (this.#links.get(peerId) === link) this.#links.delete(peerId);
  }

  #refuse(peerId: string, reason: LayerswarmError): void {
    this.#options.events.onCut(peerId, reason);
    this.cut(peerId, reason);
  }

  #count(reason: LayerswarmError): void {
    if (reason.code === 'peer-misbehaved') this.counts.invalidMessages += 1;
    else if (reason.code === 'timeout') this.counts.helloTimeouts += 1;
    else if (reason.code === 'too-large') this.counts.queueOverflows += 1;
  }

  #pingSilent(): void {
    const { pingIntervalMs, silenceMs } = this.#options.limits;
    const now = Date.now();
    // After a stall of this process (a suspended host) everybody seems silent, until what they sent is read.
    const stalled = now - this.#checkedAt > pingIntervalMs;
    this.#checkedAt = now;
    if (stalled) return;
    for (const control of this.joined()) {
      const silentMs = now - control.heardAt;
      if (silentMs >= silenceMs) {
        this.counts.silent += 1;
        control.connection.abort(new LayerswarmError('peer-gone', `peer ${control.peer.peerId} was silent for ${silentMs} ms`));
      } else if (silentMs >= pingIntervalMs) {
        void control.ping(PING_TIMEOUT_MS);
      }
    }
  }

  #takeBucket(address: string): TokenBucket {
    const { perSecond, burst } = this.#options.limits.addressRate;
    const entry = this.#buckets.get(address) ?? { bucket: new TokenBucket(perSecond, burst, Date.now()), streams: 0 };
    entry.streams += 1;
    this.#buckets.set(address, entry);
    return entry.bucket;
  }

  #releaseBucket(address: string): void {
    const entry = this.#buckets.get(address);
    if (entry === undefined) return;
    entry.streams -= 1;
    if (entry.streams === 0) this.#buckets.delete(address);
  }
}
