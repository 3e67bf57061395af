import { isIP } from 'node:net';
import { LayerswarmError } from '../../errors.ts';
import { reachOf } from '../../origin/reach.ts';
import { parseBulkAddress } from '../lane/bulk/bulk-address.ts';
import type { BulkControl } from '../lane/bulk/tls-lane-hub.ts';
import type { BulkOffer, Message } from '../protocol/message.ts';
import { parseTcpAddress } from './address.ts';
import type { Peer } from './network.ts';

/** The hosts that a peer's signed record lists. Never throws. */
export type RecordedHosts = (peerId: string) => Promise<readonly string[]>;

/**
 * The control connections, where an offer of a bulk port leads to its peer's own hosts alone. A member could else have every other
 * member connect to any address behind its firewall, and learn from the answer and its time whether anybody listens there.
 */
export function ownOffersOnly(control: BulkControl, recordedHosts: RecordedHosts): BulkControl {
  const checked = async (offer: BulkOffer, peer: Peer): Promise<BulkOffer> => ({
    ...offer,
    addresses: ownAddresses(offer.addresses, peer.address, await recordedHosts(peer.peerId)),
  });
  return {
    self: control.self,
    peer: (peerId) => control.peer(peerId),
    async request(peerId, message, answer, options) {
      const said = await control.request(peerId, message, answer, options);
      const plain: Message = said;
      const peer = control.peer(peerId);
      return plain.type === 'bulk-ticket' && peer !== undefined ? { ...said, offer: await checked(plain.offer, peer) } : said;
    },
    handle(type, handler) {
      control.handle(type, async (message, from) => {
        const plain: Message = message;
        if (plain.type !== 'bulk-dial') return await handler(message, from);
        try {
          return await handler({ ...message, offer: await checked(plain.offer, from) }, from);
        } catch (cause) {
          // what this node found there is its own business
          throw new LayerswarmError('unavailable', 'could not', { cause });
        }
      });
    },
  };
}

/** Pure: every port that was offered, at hosts that are the peer's; another host is replaced by the one that it is connected from. */
export function ownAddresses(offered: readonly string[], connection: string, recorded: readonly string[]): string[] {
  const host = parseTcpAddress(connection)?.host;
  const own = new Set(recorded.filter((recordedHost) => isIP(recordedHost) !== 0 && reachOf(recordedHost) === 'network'));
  const addresses = offered.flatMap((text) => {
    const address = parseBulkAddress(text);
    const target = address !== undefined && own.has(address.host) ? address.host : host;
    return address === undefined || target === undefined ? [] : [`${isIP(target) === 6 ? `[${target}]` : target}:${address.port}`];
  });
  return [...new Set(addresses)];
}
