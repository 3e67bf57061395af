import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { LayerswarmError } from '../../../errors.ts';
import type { BulkIdentity } from './certificate.ts';
import { TICKET_BYTES, type Ticket, type TicketBook } from './tickets.ts';
import { BULK_ALPN, peerFingerprint, tlsOptions } from './tls-settings.ts';

/** From the connection to the ticket. */
const ADMISSION_TIMEOUT_MS = 5000;
/** Connections that have not shown a ticket yet. A handshake costs this side a millisecond; nobody gets it to make many. */
const MAX_PENDING_PER_ADDRESS = 16;
const MAX_PENDING = 256;

/** The bulk port: lets in whoever shows a ticket, over the certificate that the ticket is for. */
export class BulkListener {
  readonly #server: Server;
  readonly #tickets: TicketBook;
  readonly #onAdmitted: (socket: TLSSocket, ticket: Ticket) => void;
  /** Raw connections without a ticket, by remote address. */
  readonly #pending = new Map<string, Set<string>>();
  #pendingCount = 0;

  constructor(identity: BulkIdentity, tickets: TicketBook, onAdmitted: (socket: TLSSocket, ticket: Ticket) => void) {
    this.#tickets = tickets;
    this.#onAdmitted = onAdmitted;
    this.#server = createServer({
      ...tlsOptions(identity),
      // Self-signed by design: fingerprint and ticket are what is checked.
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [BULK_ALPN],
      handshakeTimeout: ADMISSION_TIMEOUT_MS,
      noDelay: true,
    });
    this.#server.on('connection', (raw: Socket) => { this.#onConnection(raw); });
    this.#server.on('secureConnection', (socket) => { this.#onSecure(socket); });
    // Scanners, timeouts, other protocols: nothing that this node could act on.
    this.#server.on('tlsClientError', (_error, socket) => { socket.destroy(); });
  }

  /** @throws `port-taken`, `config-invalid` */
  async listen(host: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ host, port }, resolve);
    try {
      await promise;
    } catch (cause) {
      const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
      throw new LayerswarmError(taken ? 'port-taken' : 'config-invalid', `the bulk port ${host}:${port} cannot be listened on${taken ? ': another program has it; choose another with --bulk' : ''}`, { cause });
    }
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
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
    raw.once('close', () => { this.#settle(address, key); });
  }

  #settle(address: string, key: string): void {
    const pending = this.#pending.get(address);
    if (pending?.delete(key) !== true) return;
    this.#pendingCount -= 1;
    if (pending.size === 0) this.#pending.delete(address);
  }

  #onSecure(socket: TLSSocket): void {
    const timer = setTimeout(() => { socket.destroy(); }, ADMISSION_TIMEOUT_MS);
    const onError = (): void => { socket.destroy(); };
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
    socket.once('close', () => { clearTimeout(timer); });
  }

  /** The opener sends nothing behind its ticket before it is greeted. */
  #check(socket: TLSSocket, received: Buffer): Ticket | undefined {
    try {
      const fingerprint = peerFingerprint(socket);
      return received.length === TICKET_BYTES ? this.#tickets.redeem(received, fingerprint) : undefined;
    } catch {
      // Not one of ours: closed without a word, as for any other stranger.
      return undefined;
    }
  }
}

function keyOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`;
}
