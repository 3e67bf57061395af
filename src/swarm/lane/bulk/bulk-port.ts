import { randomBytes } from 'node:crypto';
import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { TLSSocket } from 'node:tls';
import { onAbort } from '../../../async/abort.ts';
import { hostGroup } from '../../network/host-group.ts';
import type { BulkOffer } from '../../protocol/message.ts';
import { abortedBy } from '../abort.ts';
import type { LaneSessions } from '../lane-sessions.ts';
import { parseRoute, type Route } from '../route.ts';
import type { SessionLane } from '../session-lane.ts';
import type { BulkAddress } from './bulk-address.ts';
import { dialFirst } from './bulk-dial.ts';
import { BulkListener, type BulkPlace } from './bulk-listener.ts';
import { makeBulkIdentity } from './certificate.ts';
import { TICKET_BYTES, TicketBook, type Ticket } from './tickets.ts';
import { TlsTransport, type ReadArena } from './tls-transport.ts';

const TICKET_LIFETIME_MS = 15_000;
const MAX_ADDRESSES = 8;

export interface BulkPortOptions extends BulkPlace {
  /** Of this node; 0 where it has one. */
  readonly thread?: number;
  readonly sessions: LaneSessions;
}

/** The port for TLS lanes, as one thread has it: lets in whoever was given a ticket, and dials the ports of others. */
export class BulkPort {
  readonly #host: string;
  readonly #sessions: LaneSessions;
  readonly #identity = makeBulkIdentity();
  readonly #tickets = new TicketBook(() => performance.now());
  readonly #listener: BulkListener;
  #port = 0;
  /** A peer opened a lane with the ticket. */
  onOpened: ((lane: SessionLane, ticket: Ticket) => void) | undefined;

  private constructor({ host, thread = 0, sessions }: BulkPortOptions) {
    this.#host = host;
    this.#sessions = sessions;
    this.#listener = new BulkListener({
      identity: this.#identity,
      tickets: this.#tickets,
      thread,
      onAdmitted: (socket, ticket) => {
        this.onOpened?.(this.#attach(ticket.route, socket, undefined, 'acceptor'), ticket);
      },
    });
  }

  /** @throws `port-taken`, `config-invalid` */
  static async listen(options: BulkPortOptions): Promise<BulkPort> {
    const port = new BulkPort(options);
    port.#port = await port.#listener.listen(options);
    return port;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections that have not shown a ticket yet. */
  get strangers(): number {
    return this.#listener.strangers;
  }

  /** SHA-256 of the certificate. */
  get fingerprint(): Uint8Array {
    return this.#identity.fingerprint;
  }

  /** Where, and with what ticket, the peer's thread with that certificate may open one lane. `asked`: this side wants to make requests on it. */
  offer(route: Route, fingerprint: Uint8Array, asked: boolean): BulkOffer {
    const ticket = randomBytes(TICKET_BYTES);
    this.#tickets.add(ticket, { route, fingerprint, asked, expiresAt: performance.now() + TICKET_LIFETIME_MS });
    return { addresses: this.addresses().slice(0, MAX_ADDRESSES), fingerprint: this.fingerprint, ticket, expiresInMs: TICKET_LIFETIME_MS };
  }

  /** Opens a lane to the first address that answers as the peer. @throws `peer-gone`, `timeout`, `peer-misbehaved`, `aborted` */
  async dial(
    route: Route,
    addresses: readonly BulkAddress[],
    { fingerprint, ticket }: BulkOffer,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<SessionLane> {
    const { socket, arena } = await dialFirst(
      this.#identity,
      addresses.slice(0, MAX_ADDRESSES),
      { fingerprint, ticket, thread: parseRoute(route).thread },
      timeoutMs,
      signal,
    );
    const lane = this.#attach(route, socket, arena, 'opener');
    const giveUp = (): void => {
      void lane.close();
    };
    using _ = onAbort(signal, giveUp);
    const timer = setTimeout(giveUp, timeoutMs);
    try {
      await lane.ready;
      if (signal.aborted) throw abortedBy(signal);
      return lane;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Where peers may reach it, `HOST:PORT`; every address of this host when it listens on all. */
  addresses(): string[] {
    const wildcard = this.#host === '0.0.0.0' || this.#host === '::';
    const hosts = wildcard ? ownAddresses(this.#host === '::') : [this.#host];
    return hosts.map((host) => `${isIPv6(host) ? `[${host}]` : host}:${this.#port}`);
  }

  close(): void {
    this.#listener.close();
  }

  #attach(route: Route, socket: TLSSocket, arena: ReadArena | undefined, role: 'opener' | 'acceptor'): SessionLane {
    return this.#sessions.attach(new TlsTransport(socket, arena), {
      route,
      kind: 'tls',
      role,
      host: hostGroup(socket.remoteAddress ?? ''),
    });
  }
}

function ownAddresses(withIPv6: boolean): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const reachable = all.filter(
    ({ address, family, internal }) => !internal && isIP(address) !== 0 && (family === 'IPv4' || (withIPv6 && !address.startsWith('fe80'))),
  );
  return (reachable.length > 0 ? reachable : all.filter(({ family }) => family === 'IPv4')).map(({ address }) => address);
}
