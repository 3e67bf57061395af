import type { MessageOf } from '../../protocol/message.ts';
import { parseTcpAddress } from '../address.ts';
import type { BootstrapAddress } from './bootstrap-address.ts';
import { Candidates, type Candidate, type CandidateSource } from './candidates.ts';
import { Dialer } from './dialer.ts';
import { resolveName, type NameResolver } from './dns-names.ts';
import { LanDiscovery } from './lan-discovery.ts';
import { PeerExchange } from './peer-exchange.ts';
import { RememberedPeers } from './remembered-peers.ts';

/** When two nodes hear of each other at once, the one with the lower id dials, and the other only after this time. */
const YIELD_MS = 300;
const LONELY_RESOLVE_MS = 5000;
const SETTLED_RESOLVE_MS = 60_000;
const MAX_ADDRESSES = 512;
const SEEN_EVERY_MS = 10 * 60 * 1000;

export interface DiscoveryOptions {
  self: string;
  bootstrap: readonly BootstrapAddress[];
  resolver: NameResolver;
  lan: boolean;
  rememberedPath: string;
  targetMembers: number;
  /** How often it is noted who is connected; 10 minutes unless given. */
  seenEveryMs?: number;
  /** Multiaddrs of this node, with peer id. */
  ownAddresses: () => readonly string[];
  members: () => { peerId: string; listen: readonly string[] }[];
  isConnected: (peerId: string) => boolean;
  dial: (candidate: Candidate, signal: AbortSignal, onAnswer: () => void) => Promise<string>;
  askPeers: (peerId: string) => Promise<MessageOf<'peers'>>;
  onWarning: (line: string) => void;
}

/**
 * Finds members in every way at once: multicast DNS, configured addresses, DNS names, the members of last time, and those that
 * members tell. The first that answers is enough; the others are tried for as long as the node runs.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #candidates: Candidates;
  readonly #dialer: Dialer;
  readonly #exchange: PeerExchange;
  readonly #remembered: RememberedPeers;
  readonly #lan: LanDiscovery | undefined;
  #resolveTimer: NodeJS.Timeout | undefined;
  #seeing: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#candidates = new Candidates(options.self, Math.random);
    const memberCount = (): number => options.members().length;
    this.#dialer = new Dialer({
      candidates: this.#candidates,
      isConnected: options.isConnected,
      memberCount,
      targetMembers: options.targetMembers,
      dial: options.dial,
    });
    this.#exchange = new PeerExchange({
      members: () => options.members(),
      ask: async (peerId) => await options.askPeers(peerId),
      onFound: (addresses) => this.offer(addresses, 'exchanged'),
      random: Math.random,
    });
    this.#remembered = new RememberedPeers(options.rememberedPath, this.#candidates, options.onWarning);
    this.#lan = options.lan
      ? new LanDiscovery({
          addresses: () => options.ownAddresses(),
          memberCount,
          onFound: (addresses) => {
            this.offer(addresses, 'lan');
          },
          onWarning: (line) => {
            options.onWarning(line);
          },
        })
      : undefined;
  }

  async start(): Promise<void> {
    await this.#remembered.load(Date.now());
    for (const entry of this.#options.bootstrap)
      if (entry.kind === 'address') this.#offer(entry.address.peerId, [entry.address.transport], 'configured', 0);
    this.#lan?.start();
    if (this.#options.bootstrap.some((entry) => entry.kind === 'name')) void this.#resolveNames();
    this.#seeing = setInterval(() => this.#sawMembers(), this.#options.seenEveryMs ?? SEEN_EVERY_MS).unref();
    this.#dialer.kick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sawMembers();
    clearInterval(this.#seeing);
    clearTimeout(this.#resolveTimer);
    this.#dialer.stop();
    this.#exchange.stop();
    await Promise.all([this.#lan?.stop(), this.#remembered.close()]);
  }

  /** Learns unchecked multiaddrs; those that are not TCP or name no peer are left out. True when there is somebody new to try. */
  offer(addresses: readonly string[], source: CandidateSource): boolean {
    const byPeer = new Map<string, string[]>();
    for (const text of addresses.slice(0, MAX_ADDRESSES)) {
      const address = parseTcpAddress(text);
      if (address?.peerId === undefined) continue;
      byPeer.set(address.peerId, [...(byPeer.get(address.peerId) ?? []), address.transport]);
    }
    let news = false;
    for (const [peerId, transports] of byPeer) {
      news = this.#offer(peerId, transports, source, this.#options.self < peerId ? 0 : YIELD_MS) || news;
    }
    if (news) this.#dialer.kick();
    return news;
  }

  onJoined(peerId: string, listen: readonly string[]): void {
    const own = listen
      .map(parseTcpAddress)
      .filter((address) => address !== undefined && (address.peerId === undefined || address.peerId === peerId));
    this.#candidates.joined(
      peerId,
      own.map((address) => address!.transport),
      Date.now(),
    );
    this.#remembered.changed();
    this.#exchange.onJoined(peerId);
  }

  /** A member left, or somebody who was connected never became one. */
  onGone(peerId: string, wasMember: boolean): void {
    if (wasMember) this.#candidates.left(peerId, Date.now());
    else this.#candidates.failed(peerId, Date.now());
    this.#dialer.kick();
  }

  /** Ids of those that are members now, or were since then, in an earlier run too. */
  membersSince(since: number): ReadonlySet<string> {
    const were = this.#candidates.remembered().filter(({ seenAt }) => seenAt >= since);
    return new Set([...this.#options.members(), ...were].flatMap(({ peerId }) => peerId ?? []));
  }

  answerPeers(asker: string): MessageOf<'peers'> {
    return this.#exchange.answer(asker);
  }

  /** Of those that stay connected nothing else says so, to a run that comes after a crash. */
  #sawMembers(): void {
    for (const { peerId } of this.#options.members()) this.#candidates.joined(peerId, [], Date.now());
    this.#remembered.changed();
  }

  #offer(peerId: string | undefined, transports: readonly string[], source: CandidateSource, delayMs: number): boolean {
    const own = new Set(this.#options.ownAddresses().map((address) => parseTcpAddress(address)?.transport));
    const others = peerId === undefined ? transports.filter((transport) => !own.has(transport)) : transports;
    return this.#candidates.offer({ peerId, addresses: others, source }, Date.now(), delayMs);
  }

  async #resolveNames(): Promise<void> {
    const names = this.#options.bootstrap.filter((entry) => entry.kind === 'name');
    await Promise.all(
      names.map(async ({ host, port }) => {
        const transports = await resolveName(this.#options.resolver, host, port);
        for (const transport of transports) this.#offer(undefined, [transport], 'dns', 0);
      }),
    );
    if (this.#stopped) return;
    this.#dialer.kick();
    this.#resolveTimer = setTimeout(
      () => {
        void this.#resolveNames();
      },
      this.#options.members().length === 0 ? LONELY_RESOLVE_MS : SETTLED_RESOLVE_MS,
    );
  }
}
