import type { ConnectionGater } from '@libp2p/interface';
import { isLoopback, parseTcpAddress } from './address.ts';
import type { Bans } from './bans.ts';

/** After it broke the rules of the protocol a peer is not spoken to for this long; a ban needs evidence. */
const PENALTY_MS = 30_000;
const MAX_PENALTIES = 1000;

/** Who may connect, beyond what the swarm key says: nobody who is banned, and only this host where there is no key. */
export class Gater implements ConnectionGater {
  readonly #bans: Bans;
  readonly #loopbackOnly: boolean;
  readonly #penalties = new Map<string, number>();

  constructor(bans: Bans, loopbackOnly: boolean) {
    this.#bans = bans;
    this.#loopbackOnly = loopbackOnly;
  }

  /** The peer broke the rules of the protocol. */
  penalize(peerId: string): void {
    if (this.#penalties.size >= MAX_PENALTIES) this.#penalties.delete(this.#penalties.keys().next().value!);
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
    return parsed === undefined || (this.#loopbackOnly && !isLoopback(parsed.host)) || this.#bans.refusesAddress(address.toString());
  };

  denyInboundConnection: NonNullable<ConnectionGater['denyInboundConnection']> = (connection) => this.#bans.refusesAddress(connection.remoteAddr.toString());

  denyInboundEncryptedConnection: NonNullable<ConnectionGater['denyInboundEncryptedConnection']> = (peerId) => this.refuses(peerId.toString());

  denyOutboundEncryptedConnection: NonNullable<ConnectionGater['denyOutboundEncryptedConnection']> = (peerId) => this.refuses(peerId.toString());
}
