import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errorCode, LayerswarmError } from '../../errors.ts';
import { type ClientName, clientName } from '../client-name.ts';
import { errorResponse } from '../http-error.ts';
import { limitPlaces } from '../../http/places.ts';
import { type ListenAddress, listen, otherLoopback, urlAuthority } from '../../http/listen.ts';
import { messageOf, pathOf, refuseBrowserWrites, refuseOtherHosts, routeOf } from './incoming-request.ts';
import type { RegistryLog, RegistryResponse } from './message.ts';
import { answerInTime } from './answer-in-time.ts';
import { type MalformedRequest, refuseConnection } from './refuse-connection.ts';
import type { Route } from './router.ts';
import { sendResponse, StalledClient } from './send.ts';

const MAX_HEADER_BYTES = 32 * 1024;
const HEADERS_TIMEOUT_MS = 20_000;
/** Above the 90 s for which Go's HTTP client keeps idle connections, so that it never writes into one that is being closed. */
const KEEP_ALIVE_MS = 120_000;
export const DEFAULT_CONNECTIONS = 4096;
/** What one address may have of them, or one IPv6 network: others come too. */
const SHARE_OF_ONE = 0.25;
const STALL_TIMEOUT_MS = 60_000;
const FLUSH_TIMEOUT_MS = 5_000;

export interface EndpointOptions {
  readonly listen: ListenAddress;
  /** Names that a loopback listener answers to beside its own. */
  readonly hostNames?: readonly string[];
  readonly routes: readonly Route[];
  readonly log: RegistryLog;
  readonly observer: EndpointObserver;
  /** Connections at a time. */
  readonly maxConnections?: number | undefined;
  /** Milliseconds for which a client may take no byte of its answer. */
  readonly stallTimeoutMs?: number;
}

/** What an endpoint counts. */
export interface EndpointObserver {
  /** `route` and `method` are of a small, fixed set. */
  answered(route: string, method: string, status: number, seconds: number, client: ClientName): void;
  /** Bytes of blobs, as they leave. */
  sentToClient(bytes: number): void;
  /** A connection was cut because the client stopped reading, or because its answer could not be completed. */
  cut(reason: 'stalled-client' | 'no-progress'): void;
  refused(kind: MalformedRequest): void;
}

/** A plain HTTP server over a table of routes, on one address, and on the other loopback address beside a loopback one. */
export class HttpEndpoint {
  readonly #options: EndpointOptions;
  readonly #servers: Server[] = [];
  readonly #used: (() => number)[] = [];
  readonly #stopping = new AbortController();
  #port = 0;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** `http://host:port`, after `start`. */
  get url(): string {
    return `http://${urlAuthority({ host: this.#options.listen.host, port: this.#port })}`;
  }

  /** Connections now. */
  get connections(): number {
    return this.#used.reduce((sum, used) => sum + used(), 0);
  }

  /** @throws LayerswarmError `port-taken`, `config-invalid` */
  async start(): Promise<void> {
    const { host, port } = this.#options.listen;
    const server = this.#makeServer();
    this.#port = await listen(server, { host, port });
    this.#servers.push(server);
    const other = otherLoopback(host);
    if (other !== undefined) await this.#listenBeside(other);
  }

  /** Stops listening, gives requests in flight `graceMs` to end, then cuts them. */
  async stop(graceMs = 1000): Promise<void> {
    const closed = this.#servers.map(
      (server) =>
        new Promise((resolve) => {
          server.close(resolve);
          server.closeIdleConnections();
        }),
    );
    const cut = setTimeout(() => {
      this.#stopping.abort();
      for (const server of this.#servers) server.closeAllConnections();
    }, graceMs);
    await Promise.all(closed);
    clearTimeout(cut);
    this.#stopping.abort();
  }

  async #listenBeside(host: string): Promise<void> {
    const server = this.#makeServer();
    try {
      await listen(server, { host, port: this.#port });
      this.#servers.push(server);
    } catch (error) {
      // a host without IPv6, or another program there: whoever names the configured address is served
      this.#options.log.debug(`not listening on ${urlAuthority({ host, port: this.#port })} as well`, { reason: (error as Error).message });
    }
  }

  #makeServer(): Server {
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: HEADERS_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        // an upload takes as long as it takes; `readBody` bounds the silence
        requestTimeout: 0,
        noDelay: true,
      },
      (request, response) => {
        this.#serve(request, response).catch((error: unknown) => {
          this.#options.log.warn(`an answer failed: ${(error as Error).message}`, { stack: (error as Error).stack });
          response.destroy();
        });
      },
    );
    const { maxConnections: total = DEFAULT_CONNECTIONS } = this.#options;
    this.#used.push(limitPlaces(server, { total, perAddress: Math.ceil(total * SHARE_OF_ONE) }));
    server.on('clientError', (error, socket) => {
      const kind = refuseConnection(error, socket);
      if (kind === 'gone') return;
      this.#options.observer.refused(kind);
      this.#options.log.debug('refused a connection that is not plain HTTP', { kind });
    });
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort(new LayerswarmError('aborted', 'the client went away')));
    const signal = AbortSignal.any([gone.signal, this.#stopping.signal]);
    const began = performance.now();
    const { route, answer } = await this.#answer(request, signal);
    const method = request.method ?? '';
    try {
      if (gone.signal.aborted) return;
      response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
      this.#options.observer.answered(
        route,
        method,
        answer.status,
        (performance.now() - began) / 1000,
        clientName(request.headers['user-agent']),
      );
      await sendResponse(response, answer, {
        headersOnly: method === 'HEAD',
        stallTimeoutMs: this.#options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
        signal,
        onBytes: (bytes) => this.#options.observer.sentToClient(bytes),
      });
    } catch (error) {
      this.#cut(request, response, error, gone.signal.aborted);
    } finally {
      await this.#release(answer);
    }
  }

  async #answer(request: IncomingMessage, signal: AbortSignal): Promise<{ route: string; answer: RegistryResponse }> {
    let context: Pick<Route, 'name' | 'unknown'> = { name: 'other', unknown: 'NAME_UNKNOWN' };
    try {
      refuseOtherHosts(request, this.#options);
      const { route, parameters, query } = routeOf(request, this.#options.routes);
      context = route;
      refuseBrowserWrites(request);
      return {
        route: route.name,
        answer: await answerInTime(route, parameters, messageOf(request, query), signal, (unwanted) => {
          this.#releaseLate(unwanted);
        }),
      };
    } catch (error) {
      const isPush = request.method !== 'GET' && request.method !== 'HEAD';
      const answer = errorResponse(error, { unknown: context.unknown, isPush });
      this.#logFailure(request, answer.status, error, signal);
      return { route: context.name, answer };
    }
  }

  #cut(request: IncomingMessage, response: ServerResponse, error: unknown, isGone: boolean): void {
    const isStalled = error instanceof StalledClient;
    if (isGone || isStalled) response.destroy();
    else flushAndClose(response);
    if (isGone) return;
    const code = errorCode(error);
    this.#options.observer.cut(isStalled ? 'stalled-client' : 'no-progress');
    this.#options.log.warn(`cut an answer short, so that the client asks again: ${(error as Error).message}`, {
      method: request.method,
      path: pathOf(request),
      code,
    });
  }

  #logFailure(request: IncomingMessage, status: number, error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    const fields = { method: request.method, path: pathOf(request), status, code: errorCode(error) };
    const message = (error as Error).message;
    if (status >= 500) this.#options.log.warn(message, status === 500 ? { ...fields, stack: (error as Error).stack } : fields);
    else this.#options.log.debug(message, fields);
  }

  /** What a handler brings after its deadline. */
  #releaseLate(unwanted: Promise<RegistryResponse>): void {
    unwanted.then(
      (answer) => this.#release(answer),
      (error: unknown) => this.#options.log.debug('a handler ended after its deadline', { reason: (error as Error).message }),
    );
  }

  async #release(answer: RegistryResponse): Promise<void> {
    try {
      await answer.release?.();
    } catch (error) {
      this.#options.log.warn(`could not release what an answer held: ${(error as Error).message}`);
    }
  }
}

/** The bytes so far are good, and the client goes on after them. */
function flushAndClose({ socket }: ServerResponse): void {
  socket?.setTimeout(FLUSH_TIMEOUT_MS, () => socket.destroy());
  socket?.destroySoon();
}
