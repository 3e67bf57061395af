import { lookup, resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';
import { DEFAULT_PORT } from './bootstrap-address.ts';

/** How names become addresses; tests bring their own. */
export interface NameResolver {
  /** IP addresses of a host, from whatever the system asks: hosts file, DNS. */
  addresses(host: string): Promise<string[]>;
  services(name: string): Promise<{ name: string; port: number }[]>;
}

export const SYSTEM_RESOLVER: NameResolver = {
  addresses: async (host) => (await lookup(host, { all: true })).map((found) => found.address),
  services: resolveSrv,
};

/** RFC 2782: `_service._proto.name`. */
const SERVICE_PREFIX = '_layerswarm._tcp.';
const MAX_ADDRESSES = 256;
const RESOLVE_TIMEOUT_MS = 10_000;

/** The transport addresses that a name stands for now: SRV where there is no port, then A and AAAA. None when it does not resolve. */
export async function resolveName(resolver: NameResolver, host: string, port: number | undefined): Promise<string[]> {
  const targets = port === undefined ? await services(resolver, host) : [{ name: host, port }];
  const resolved = await Promise.all(
    targets.map(async (target) => {
      const addresses = await orNothing(resolver.addresses(target.name));
      return addresses.filter((address) => isIP(address) !== 0).map((address) => `/ip${isIP(address)}/${address}/tcp/${target.port}`);
    }),
  );
  return [...new Set(resolved.flat())].slice(0, MAX_ADDRESSES);
}

async function services(resolver: NameResolver, host: string): Promise<{ name: string; port: number }[]> {
  const records = await orNothing(resolver.services(`${SERVICE_PREFIX}${host}`));
  return records.length > 0 ? records.slice(0, MAX_ADDRESSES) : [{ name: host, port: DEFAULT_PORT }];
}

/** A name that cannot be resolved now may be later. */
async function orNothing<T>(resolving: Promise<T[]>): Promise<T[]> {
  const { promise, resolve } = Promise.withResolvers<T[]>();
  const timer = setTimeout(() => {
    resolve([]);
  }, RESOLVE_TIMEOUT_MS);
  try {
    return await Promise.race([resolving, promise]);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}
