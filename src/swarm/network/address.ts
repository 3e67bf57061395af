import { BlockList, isIP } from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';
import { hostGroup } from './host-group.ts';

const MAX_ADDRESS_LENGTH = 256;

/** base58 of an Ed25519 key, or of the hash of another. */
const PEER_ID = /^[1-9A-HJ-NP-Za-km-z]{46,64}$/;

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** What of a multiaddr matters here: where TCP goes, and to whom. */
export interface TcpAddress {
  /** Without `/p2p/…`. */
  readonly transport: string;
  /** IP address or DNS name. */
  readonly host: string;
  readonly port: number;
  /** Where the multiaddr names it. */
  readonly peerId: string | undefined;
}

/** Reads `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/p2p/ID]`; undefined for every other text. */
export function parseTcpAddress(text: string): TcpAddress | undefined {
  if (text.length > MAX_ADDRESS_LENGTH) return undefined;
  try {
    const [host, tcp, p2p, ...rest] = multiaddr(text).getComponents();
    if (host?.value === undefined || tcp?.name !== 'tcp' || tcp.value === undefined || rest.length > 0) return undefined;
    if (!['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(host.name) || (p2p !== undefined && p2p.name !== 'p2p')) return undefined;
    if (p2p !== undefined && !PEER_ID.test(p2p.value ?? '')) return undefined;
    return { transport: `/${host.name}/${host.value}/tcp/${tcp.value}`, host: host.value, port: Number(tcp.value), peerId: p2p?.value };
  } catch {
    return undefined;
  }
}

export function isLoopback(host: string): boolean {
  const version = isIP(host);
  return host === 'localhost' || (version !== 0 && loopback.check(host, version === 4 ? 'ipv4' : 'ipv6'));
}

/** The `hostGroup` of a multiaddr. */
export function addressGroup(address: string): string {
  const host = parseTcpAddress(address)?.host;
  return host === undefined ? 'unknown' : hostGroup(host);
}
