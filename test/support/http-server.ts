import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from './cleanup.ts';

export interface ServeOptions {
  readonly host?: string;
  /** 0 or absent takes a free one. */
  readonly port?: number;
  /** A Unix socket, in place of host and port; `url` and `host` name none then. */
  readonly path?: string;
  /** PEM texts: HTTPS. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface RunningServer {
  readonly url: string;
  /** host:port. */
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** A server on loopback that is closed with all its connections when the test ends. */
export async function serve(cleanup: Cleanup, listener: RequestListener, options: ServeOptions = {}): Promise<RunningServer> {
  const { host: address = '127.0.0.1', tls } = options;
  const server: Server = tls === undefined ? createHttpServer(listener) : createHttpsServer({ key: tls.key, cert: tls.cert }, listener);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options.path === undefined ? { port: options.port ?? 0, host: address } : { path: options.path }, resolve);
  await promise;
  const port = options.path === undefined ? (server.address() as AddressInfo).port : 0;
  const close = async (): Promise<void> => {
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    server.closeAllConnections();
    await closed.promise;
  };
  cleanup.teardown(close);
  return { url: `${tls === undefined ? 'http' : 'https'}://${address}:${port}`, host: `${address}:${port}`, port, close };
}
