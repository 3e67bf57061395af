import { isIP } from 'node:net';

export interface BulkAddress {
  /** IP address, or a name. */
  readonly host: string;
  readonly port: number;
}

/** Reads `HOST:PORT` or `[IPv6]:PORT`; undefined for every other text. */
export function parseBulkAddress(text: string): BulkAddress | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(text);
  const [, ipv6, name, digits] = match ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return ipv6 !== undefined && isIP(ipv6) !== 6 ? undefined : { host, port };
}

/**
 * Where to dial a peer's bulk port, best first: the host that its control connection goes to, which is known to be reachable, with
 * each port that it told; then what it told.
 */
export function bulkCandidates(told: readonly string[], controlHost: string | undefined): BulkAddress[] {
  const addresses = told.map(parseBulkAddress).filter((address) => address !== undefined);
  const near = controlHost === undefined ? [] : addresses.map(({ port }) => ({ host: controlHost, port }));
  const unique = new Map([...near, ...addresses].map((address) => [`${address.host} ${address.port}`, address]));
  return [...unique.values()];
}
