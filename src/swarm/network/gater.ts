import type { ConnectionGater } from '@libp2p/interface';
import { BoundedMap } from '../../bounded-map.ts';
import { reachOf, type Reach } from '../../origin/reach.ts';
import { isLoopback, parseTcpAddress } from './address.ts';
import type { Bans } from './bans.ts';
import { PendingPlaces } from './pending-places.ts';

/** After it broke the rules of the protocol a peer is not spoken to for this long; a ban needs evidence. */
const PENALTY_MS = 30_000;
const MAX_PENALTIES = 1000;

export interface GaterOptions {
  /** Only this host: there is no key. */
  readonly loopbackOnly: boolean;
  /** Multiaddrs that this node listens on. */
  readonly listen: readonly string[];
}

/**
 * Who may connect, beyond what the swarm key says: nobody who is banned, and only this host where there is no key. What members, or
 * anybody by multicast, say of addresses leads neither to a port of this host nor to one of its own wire, unless that is all it listens on.
 */
export class Gater implements ConnectionGater {
  readonly #bans: Bans;
  readonly #loopbackOnly: boolean;
  readonly #near: ReadonlySet<Reach>;
  readonly #configured = new Set<string>();
  readonly places = new PendingPlaces();
  readonly #penalties = new BoundedMap<string, number>(MAX_PENALTIES);

  constructor(bans: Bans, { loopbackOnly, listen }: GaterOptions) {
    this.#bans = bans;
    this.#loopbackOnly = loopbackOnly;
    const reaches = listen
      .map((address) => reachOf(parseTcpAddress(address)?.host ?? ''))
      .map((reach, i) => (isWildcard(listen[i]!) ? 'network' : reach));
    this.#near = new Set(reaches.includes('network') ? ['network'] : reaches);
  }

  /** The operator names this address: it may be anywhere. */
  allow(transport: string): void {
    this.#configured.add(transport);
  }

  /** Whether a connection may go there that nobody configured; `host` is what an address has, or what a name was resolved to. */
  leadsOut(host: string): boolean {
    const reach = reachOf(host);
    return reach === 'network' || this.#near.has(reach);
  }

  /** The peer broke the rules of the protocol. */
  penalize(peerId: string): void {
    this.#penalties.set(peerId, Date.now() + PENALTY_MS);
  }

  refuses(peerId: string): boolean {
    const until = this.#penalties.get(peerId);
    if (until !== undefined && until <= Date.now()) this.#penalties.delete(peerId);
    return this.#penalties.has(peerId) || this.#bans.refusesPeer(peerId);
  }

  denyDialPeer: NonNullable<ConnectionGater['denyDialPeer']> = (peerId) => this.refuses(peerId.toString());

  denyDialMultiaddr: NonNullable<ConnectionGater['denyDialMultiaddr']> = (address) => {
    const parsed = parseTcpAddress(address.toString());
    if (parsed === undefined || (!this.leadsOut(parsed.host) && !this.#configured.has(parsed.transport))) return true;
    return (this.#loopbackOnly && !isLoopback(parsed.host)) || this.#bans.refusesAddress(address.toString());
  };

  denyInboundConnection: NonNullable<ConnectionGater['denyInboundConnection']> = (connection) =>
    this.#bans.refusesAddress(connection.remoteAddr.toString()) || !this.places.enter(connection);

  denyInboundUpgradedConnection: NonNullable<ConnectionGater['denyInboundUpgradedConnection']> = (_peerId, connection) => {
    this.places.leave(connection.remoteAddr.toString());
    return false;
  };

  denyInboundEncryptedConnection: NonNullable<ConnectionGater['denyInboundEncryptedConnection']> = (peerId) =>
    this.refuses(peerId.toString());

  denyOutboundEncryptedConnection: NonNullable<ConnectionGater['denyOutboundEncryptedConnection']> = (peerId) =>
    this.refuses(peerId.toString());
}

function isWildcard(address: string): boolean {
  return ['0.0.0.0', '::'].includes(parseTcpAddress(address)?.host ?? '');
}
