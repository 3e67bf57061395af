import { isIP } from 'node:net';
import { LayerswarmError } from '../../../errors.ts';
import { parseTcpAddress, type TcpAddress } from '../address.ts';

/** Where a swarm listens unless told otherwise. */
export const DEFAULT_PORT = 4001;

/** A place to look for members, as the operator wrote it. */
export type BootstrapAddress =
  | { readonly kind: 'address'; readonly address: TcpAddress }
  /** A host name whose addresses are looked up again and again. Without a port, SRV records are asked first. */
  | { readonly kind: 'name'; readonly host: string; readonly port: number | undefined };

const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?$/i;

/**
 * Reads a multiaddr, `IP:PORT`, `[IPv6]:PORT`, `HOST:PORT`, or `dns:HOST[:PORT]`.
 * @throws `config-invalid`
 */
export function parseBootstrapAddress(text: string): BootstrapAddress {
  const parsed = text.startsWith('/') ? parseMultiaddr(text) : parseHostPort(text);
  if (parsed === undefined) {
    throw new LayerswarmError(
      'config-invalid',
      `bootstrap: expected a multiaddr such as /ip4/10.0.0.1/tcp/4001, HOST:PORT, or dns:HOST, received "${text.slice(0, 200)}"`,
    );
  }
  return parsed;
}

function parseMultiaddr(text: string): BootstrapAddress | undefined {
  const address = parseTcpAddress(text);
  return address === undefined ? undefined : { kind: 'address', address };
}

function parseHostPort(text: string): BootstrapAddress | undefined {
  const match = /^(dns:)?(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const [, prefix, bracketed, plain, digits] = match;
  const host = bracketed ?? plain ?? '';
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined;
  const version = isIP(host);
  if (version !== 0) {
    const transport = `/ip${version}/${host}/tcp/${port ?? DEFAULT_PORT}`;
    return prefix === undefined
      ? { kind: 'address', address: { transport, host, port: port ?? DEFAULT_PORT, peerId: undefined } }
      : undefined;
  }
  if (bracketed !== undefined || !NAME.test(host) || (prefix === undefined && port === undefined)) return undefined;
  return { kind: 'name', host, port };
}
