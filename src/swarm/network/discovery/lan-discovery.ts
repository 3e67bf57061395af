import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { Answer } from 'dns-packet';
import multicastDns, { type MulticastDNS, type QueryPacket, type ResponsePacket } from 'multicast-dns';

/** DNS-SD service name; the records are those of the libp2p specification, discovery/mdns.md. */
const SERVICE = '_layerswarm._udp.local';
const TXT_PREFIX = 'dnsaddr=';
/** RFC 6763, section 6.1: a string of a TXT record. */
const MAX_TXT_BYTES = 255;
const TTL_SECONDS = 120;
/** A node that starts asks this often at first, for a query may be lost. */
const FIRST_QUERIES_MS = [0, 250, 1000, 2500];
const LONELY_INTERVAL_MS = 5000;
const SETTLED_INTERVAL_MS = 120_000;
/** About how many nodes of a large swarm answer a query: the one who asked hears of the others through these. */
const ANSWERS_WANTED = 12;
const MAX_ADDRESSES = 16;
const INTERFACE_INTERVAL_MS = 15_000;
const MAX_INTERFACES = 16;

export interface LanDiscoveryOptions {
  /** Own multiaddrs with peer id. */
  addresses(): readonly string[];
  memberCount(): number;
  /** Multiaddrs with peer id that somebody on the network announced: unchecked. */
  onFound(addresses: readonly string[]): void;
  onWarning(line: string): void;
}

/**
 * Finds members on the local network by multicast DNS. Unlike `@libp2p/mdns`, which was tried first, it asks on every interface
 * (a host with a container bridge has several), asks again soon after its start, and answers with a probability that falls with
 * the size of the swarm: with every node answering every query, the traffic grows with the square of it.
 */
export class LanDiscovery {
  readonly #options: LanDiscoveryOptions;
  readonly #name = randomBytes(16).toString('hex');
  readonly #sockets = new Map<string, MulticastDNS>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #warned = false;

  constructor(options: LanDiscoveryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#openSockets();
    for (const delay of FIRST_QUERIES_MS)
      this.#after(delay, () => {
        this.#query();
      });
    this.#after(LONELY_INTERVAL_MS, () => {
      this.#queryAgain(LONELY_INTERVAL_MS);
    });
    this.#after(INTERFACE_INTERVAL_MS, () => {
      this.#watchInterfaces();
    });
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(
      sockets.map(async (socket) => {
        await new Promise<void>((resolve) => {
          socket.destroy(resolve);
        });
      }),
    );
  }

  #after(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, delayMs);
    this.#timers.add(timer);
  }

  #queryAgain(sinceMs: number): void {
    const interval = this.#options.memberCount() === 0 ? LONELY_INTERVAL_MS : SETTLED_INTERVAL_MS;
    if (sinceMs >= interval) this.#query();
    const waited = sinceMs >= interval ? 0 : sinceMs;
    this.#after(LONELY_INTERVAL_MS * (0.75 + Math.random() / 2), () => {
      this.#queryAgain(waited + LONELY_INTERVAL_MS);
    });
  }

  #watchInterfaces(): void {
    this.#openSockets();
    this.#after(INTERFACE_INTERVAL_MS, () => {
      this.#watchInterfaces();
    });
  }

  /** One socket an interface: a multicast packet leaves by one only, and interfaces come and go. */
  #openSockets(): void {
    const addresses = new Set(multicastInterfaces());
    for (const [address, socket] of this.#sockets) if (!addresses.has(address)) this.#close(address, socket);
    for (const address of addresses) if (!this.#sockets.has(address)) this.#open(address);
  }

  #open(address: string): void {
    // Bound to every address, since one that is bound to its own receives no multicast.
    const socket = multicastDns({ interface: address, bind: '0.0.0.0' });
    this.#sockets.set(address, socket);
    socket.on('query', (packet: QueryPacket) => {
      this.#onQuery(socket, packet);
    });
    socket.on('response', (packet: ResponsePacket) => {
      this.#onResponse(packet);
    });
    // Malformed packets of others, and an interface that went away: both are noise.
    socket.on('warning', () => undefined);
    socket.on('error', (error) => {
      this.#close(address, socket);
      if (this.#warned) return;
      this.#warned = true;
      this.#options.onWarning(
        `mDNS is not available on ${address}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}; members on this network are not found by themselves`,
      );
    });
  }

  #close(address: string, socket: MulticastDNS): void {
    this.#sockets.delete(address);
    socket.destroy();
  }

  #query(): void {
    for (const socket of this.#sockets.values()) socket.query({ questions: [{ name: SERVICE, type: 'PTR' }] });
  }

  #onQuery(socket: MulticastDNS, packet: QueryPacket): void {
    if (packet.questions?.some((question) => question.name === SERVICE) !== true) return;
    if (Math.random() * (this.#options.memberCount() + 1) >= ANSWERS_WANTED) return;
    const answers = this.#answers();
    // RFC 6762, section 6: answers of many are spread, so that they do not collide.
    if (answers.length > 1)
      this.#after(Math.random() * 50, () => {
        socket.respond(answers);
      });
  }

  #answers(): Answer[] {
    const instance = `${this.#name}.${SERVICE}`;
    const records: Answer[] = this.#options
      .addresses()
      .map((address) => `${TXT_PREFIX}${address}`)
      .filter((data) => data.length <= MAX_TXT_BYTES)
      .slice(0, MAX_ADDRESSES)
      .map((data) => ({ name: instance, type: 'TXT', class: 'IN', ttl: TTL_SECONDS, data }));
    return [{ name: SERVICE, type: 'PTR', class: 'IN', ttl: TTL_SECONDS, data: instance }, ...records];
  }

  #onResponse(packet: ResponsePacket): void {
    const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])];
    if (!records.some((record) => record.type === 'PTR' && record.name === SERVICE && !record.data.startsWith(this.#name))) return;
    const found = records
      .flatMap((record) => (record.type === 'TXT' ? [record.data].flat() : []))
      .map((data) => data.toString())
      .filter((text) => text.startsWith(TXT_PREFIX))
      .slice(0, MAX_ADDRESSES)
      .map((text) => text.slice(TXT_PREFIX.length));
    if (found.length > 0) this.#options.onFound(found);
  }
}

/** The first IPv4 address of every interface that leads somewhere. */
function multicastInterfaces(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => {
      const address = addresses?.find((candidate) => candidate.family === 'IPv4' && !candidate.internal);
      return address === undefined ? [] : [address.address];
    })
    .slice(0, MAX_INTERFACES);
}
