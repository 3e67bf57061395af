import type { ConnectionEncrypter, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface';
import { parseTcpAddress } from './address.ts';

/** `other_key`: the peer holds another swarm key, or none. `broken`: anything else, such as a port scan. */
type HandshakeFailure = 'other_key' | 'broken';

/** A host that was met with another swarm key. */
export interface Stranger {
  /** Its IP address. */
  readonly address: string;
  readonly failures: number;
  /** Milliseconds since the epoch. */
  readonly lastAt: number;
}

const HOUR_MS = 3_600_000;
/** Whoever scans from many addresses must not fill the log or the memory. */
const MAX_STRANGERS = 64;
/** multistream-select's refusal of a protocol, with its length before it. */
const REFUSAL = Buffer.from('\x03na\n');

/** Sees the handshakes of a node fail, both those that it began and those that others did: libp2p itself keeps silent about them. */
export class Handshakes {
  readonly failures: Record<HandshakeFailure, number> = { other_key: 0, broken: 0 };
  readonly #strangers = new Map<string, Stranger & { readonly saidAt: number }>();
  readonly #securing = new WeakSet<object>();
  readonly #onStranger: (address: string) => void;
  readonly #now: () => number;

  /** @param onStranger called for an address once an hour */
  constructor(onStranger: (address: string) => void, now: () => number = Date.now) {
    this.#onStranger = onStranger;
    this.#now = now;
  }

  /** Those of the last hour, the latest first. */
  strangers(): Stranger[] {
    const since = this.#now() - HOUR_MS;
    return [...this.#strangers.values()]
      .filter(({ lastAt }) => lastAt >= since)
      .sort((a, b) => b.lastAt - a.lastAt)
      .map(({ address, failures, lastAt }) => ({ address, failures, lastAt }));
  }

  /** A peer showed that it holds another key. */
  metStranger(address: string): void {
    const now = this.#now();
    const known = this.#strangers.get(address);
    const isDue = known === undefined || now - known.saidAt >= HOUR_MS;
    if (known === undefined && this.#strangers.size >= MAX_STRANGERS) {
      const [oldest] = [...this.#strangers.values()].sort((a, b) => a.lastAt - b.lastAt);
      // While all are fresh, new ones are counted and no more.
      if (oldest === undefined || now - oldest.lastAt < HOUR_MS) return;
      this.#strangers.delete(oldest.address);
    }
    this.#strangers.set(address, { address, failures: (known?.failures ?? 0) + 1, lastAt: now, saidAt: isDue ? now : known.saidAt });
    if (isDue) this.#onStranger(address);
  }

  /** The transport with its handshakes watched. */
  watchTransport<T extends Transport>(transport: T): T {
    const dial = transport.dial.bind(transport);
    const createListener = transport.createListener.bind(transport);
    return Object.assign(transport, {
      dial: (address, options) => dial(address, { ...options, upgrader: this.#watched(options.upgrader) }),
      createListener: (options) => createListener({ ...options, upgrader: this.#watched(options.upgrader) }),
    } satisfies Pick<Transport, 'dial' | 'createListener'>);
  }

  /** The encrypter, where it is seen that both sides had agreed on a key by its name. */
  watchEncrypter<E extends ConnectionEncrypter>(encrypter: E): E {
    const secureInbound = encrypter.secureInbound.bind(encrypter);
    const secureOutbound = encrypter.secureOutbound.bind(encrypter);
    return Object.assign(encrypter, {
      secureInbound: (connection, options) => {
        this.#securing.add(connection);
        return secureInbound(connection, options);
      },
      secureOutbound: (connection, options) => {
        this.#securing.add(connection);
        return secureOutbound(connection, options);
      },
    } satisfies Pick<ConnectionEncrypter, 'secureInbound' | 'secureOutbound'>);
  }

  #watched(upgrader: Upgrader): Upgrader {
    return {
      createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
      getStreamMuxers: () => upgrader.getStreamMuxers(),
      getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
      upgradeInbound: async (connection: MultiaddrConnection, options: Parameters<Upgrader['upgradeInbound']>[1]) => {
        const send = connection.send.bind(connection);
        let refused = false;
        // Nothing is encrypted yet; while both sides look for a protocol, this side only ever repeats or refuses.
        connection.send = (data) => {
          refused ||= data.byteLength === REFUSAL.length && REFUSAL.equals(data.subarray());
          return send(data);
        };
        try {
          await upgrader.upgradeInbound(connection, options);
        } catch (error) {
          this.#failed(connection, refused);
          throw error;
        } finally {
          connection.send = send;
        }
      },
      upgradeOutbound: async (connection: MultiaddrConnection, options: Parameters<Upgrader['upgradeOutbound']>[1]) => {
        try {
          return await upgrader.upgradeOutbound(connection, options);
        } catch (error) {
          // A dial that was given up, or lost to a faster one, says nothing.
          if (!options.signal.aborted) this.#failed(connection, connection.status === 'open');
          throw error;
        }
      },
    };
  }

  #failed(connection: MultiaddrConnection, refused: boolean): void {
    const isOtherKey = refused && !this.#securing.has(connection);
    this.failures[isOtherKey ? 'other_key' : 'broken'] += 1;
    const address = isOtherKey ? parseTcpAddress(connection.remoteAddr.toString())?.host : undefined;
    if (address !== undefined) this.metStranger(address);
  }
}
