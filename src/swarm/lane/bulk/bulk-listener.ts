import { createServer as createPlainServer, type AddressInfo, type ListenOptions, type Server as PlainServer, type Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { LayerswarmError } from '../../../errors.ts';
import type { BulkIdentity } from './certificate.ts';
import { TICKET_BYTES, type Ticket, type TicketBook } from './tickets.ts';
import { bulkAlpn, peerFingerprint, tlsOptions } from './tls-settings.ts';

/** From the connection to the ticket. */
const ADMISSION_TIMEOUT_MS = 5000;
/** Connections that have not shown a ticket yet. A handshake costs this side a millisecond; nobody gets it to make many. */
const MAX_PENDING_PER_ADDRESS = 16;
export const MAX_PENDING = 256;
const FREE_PORT_TRIES = 5;

export interface BulkListenerParts {
  readonly identity: BulkIdentity;
  readonly tickets: TicketBook;
  /** Of this node: it takes what is for it. */
  readonly thread: number;
  readonly onAdmitted: (socket: TLSSocket, ticket: Ticket) => void;
}

export interface BulkPlace {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** `first`: other threads are to listen there as well. `next`: another one does already. */
  readonly shared?: 'first' | 'next' | undefined;
}

/** The bulk port: lets in whoever shows a ticket, over the certificate that the ticket is for. */
export class BulkListener {
  readonly #server: Server;
  readonly #tickets: TicketBook;
  readonly #thread: number;
  readonly #onAdmitted: (socket: TLSSocket, ticket: Ticket) => void;
  /** Raw connections without a ticket, by remote address. */
  readonly #pending = new Map<string, Set<string>>();
  #pendingCount = 0;

  constructor({ identity, tickets, thread, onAdmitted }: BulkListenerParts) {
    this.#tickets = tickets;
    this.#thread = thread;
    this.#onAdmitted = onAdmitted;
    this.#server = createServer({
      ...tlsOptions(identity),
      // Self-signed by design: fingerprint and ticket are what is checked.
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [bulkAlpn(thread)],
      handshakeTimeout: ADMISSION_TIMEOUT_MS,
      noDelay: true,
    });
    this.#server.on('connection', (raw: Socket) => {
      this.#onConnection(raw);
    });
    this.#server.on('secureConnection', (socket) => {
      this.#onSecure(socket);
    });
    // Scanners, timeouts, other protocols: nothing that this node could act on.
    this.#server.on('tlsClientError', (_error, socket) => {
      socket.destroy();
    });
  }

  /** Connections that have not shown a ticket yet. */
  get strangers(): number {
    return this.#pendingCount;
  }

  /** @throws `port-taken`, `config-invalid` */
  async listen({ host, port, shared }: BulkPlace): Promise<number> {
    try {
      if (shared === 'first') await this.#listenFirst(host, port);
      else await listening(this.#server, { host, port, reusePort: shared === 'next' });
    } catch (cause) {
      const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
      throw new LayerswarmError(
        taken ? 'port-taken' : 'config-invalid',
        `the bulk port ${host}:${port} cannot be listened on${taken ? ': another program has it; choose another with --bulk' : ''}`,
        { cause },
      );
    }
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }

  /** Who shares a port is let in beside anybody of the same user who would share it, too: it is looked at alone first. */
  async #listenFirst(host: string, port: number): Promise<void> {
    for (let tries = 1; ; tries++) {
      const free = await freePort(host, port);
      try {
        await listening(this.#server, { host, port: free, reusePort: true });
        return;
      } catch (error) {
        // A free one may be somebody else's a moment later.
        if (port !== 0 || tries === FREE_PORT_TRIES) throw error;
      }
    }
  }

  #onConnection(raw: Socket): void {
    const address = raw.remoteAddress ?? '';
    const pending = this.#pending.get(address) ?? new Set();
    if (pending.size >= MAX_PENDING_PER_ADDRESS || this.#pendingCount >= MAX_PENDING) {
      raw.destroy();
      return;
    }
    const key = keyOf(raw);
    pending.add(key);
    this.#pendingCount += 1;
    this.#pending.set(address, pending);
    raw.once('close', () => {
      this.#settle(address, key);
    });
  }

  #settle(address: string, key: string): void {
    const pending = this.#pending.get(address);
    if (pending?.delete(key) !== true) return;
    this.#pendingCount -= 1;
    if (pending.size === 0) this.#pending.delete(address);
  }

  #onSecure(socket: TLSSocket): void {
    const timer = setTimeout(() => {
      socket.destroy();
    }, ADMISSION_TIMEOUT_MS);
    const onError = (): void => {
      socket.destroy();
    };
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (received.length < TICKET_BYTES) return;
      socket.off('data', onData);
      socket.off('error', onError);
      clearTimeout(timer);
      socket.pause();
      const ticket = this.#check(socket, received);
      if (ticket === undefined) {
        socket.destroy();
        return;
      }
      this.#settle(socket.remoteAddress ?? '', keyOf(socket));
      this.#onAdmitted(socket, ticket);
      socket.resume();
    };
    socket.on('data', onData);
    socket.on('error', onError);
    socket.once('close', () => {
      clearTimeout(timer);
    });
  }

  /** The opener sends nothing behind its ticket before it is greeted. */
  #check(socket: TLSSocket, received: Buffer): Ticket | undefined {
    try {
      const fingerprint = peerFingerprint(socket, this.#thread);
      return received.length === TICKET_BYTES ? this.#tickets.redeem(received, fingerprint) : undefined;
    } catch {
      // Not one of ours: closed without a word, as for any other stranger.
      return undefined;
    }
  }
}

/** The port, or a free one in place of 0, where nobody listens. */
async function freePort(host: string, port: number): Promise<number> {
  const server = createPlainServer();
  await listening(server, { host, port });
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return free;
}

async function listening(server: PlainServer, options: ListenOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options, resolve);
  await promise;
  server.off('error', reject);
}

function keyOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`;
}
