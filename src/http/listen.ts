import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LayerswarmError } from '../errors.ts';

export interface ListenAddress {
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** Listens and returns the port. @throws LayerswarmError `port-taken`, `config-invalid` */
export async function listen(server: Server, { host, port }: ListenAddress): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('listening', resolve);
  server.once('error', reject);
  server.listen({ host, port });
  try {
    await promise;
  } catch (error) {
    throw listenError(error, host, port);
  } finally {
    server.off('listening', resolve);
    server.off('error', reject);
  }
  return (server.address() as AddressInfo).port;
}

/** The loopback address of the other IP version, which `localhost` may mean as well. */
export function otherLoopback(host: string): string | undefined {
  if (host === '127.0.0.1' || host === 'localhost') return '::1';
  return host === '::1' ? '127.0.0.1' : undefined;
}

/** `host:port` of a URL. */
export function urlAuthority({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function listenError(error: unknown, host: string, port: number): LayerswarmError {
  const { code } = error as NodeJS.ErrnoException;
  const address = urlAuthority({ host, port });
  const { kind, why } = (code === undefined ? undefined : LISTEN_FAILURES[code]) ?? {
    kind: 'config-invalid',
    why: code ?? 'the system refused',
  };
  return new LayerswarmError(kind, `cannot listen on ${address}: ${why}`, { cause: error });
}

const NO_SUCH_ADDRESS = { kind: 'config-invalid', why: 'this host has no such address' } as const;
const LISTEN_FAILURES: Readonly<Record<string, { kind: 'port-taken' | 'config-invalid'; why: string }>> = {
  EADDRINUSE: { kind: 'port-taken', why: 'another program has that port; stop it or configure another' },
  EACCES: { kind: 'port-taken', why: 'this user may not use that port; configure one above 1023' },
  EADDRNOTAVAIL: NO_SUCH_ADDRESS,
  ENOTFOUND: NO_SUCH_ADDRESS,
  EAI_AGAIN: NO_SUCH_ADDRESS,
};
