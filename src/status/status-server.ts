import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isHostAllowed } from '../http/host-check.ts';
import { limitPlaces } from '../http/places.ts';
import { listen, urlAuthority, type ListenAddress } from '../http/listen.ts';
import { errorCode, LayerswarmError } from '../errors.ts';
import { EventStream } from './event-stream.ts';
import { PAGE_POLICY, pageFiles } from './page.ts';
import type { NodeHealth } from './status-document.ts';
import type { StatusSource } from './status-source.ts';
import { SwarmEvents } from './swarm-events.ts';
import type { SwarmSource } from './swarm-source.ts';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const MAX_HEADER_BYTES = 16 * 1024;
/** Of a pull: the node that made it, and its id. */
const PULL_PATH = /^\/api\/v1\/swarm\/pulls\/([A-Za-z0-9]{1,128})\/([0-9a-f]{12})$/;
export const MAX_STATUS_CONNECTIONS = 256;
const JSON_TYPE = 'application/json';
const PLACES = { total: MAX_STATUS_CONNECTIONS, perAddress: 128 };

export interface StatusServerOptions {
  readonly listen: ListenAddress;
  /** Names that a loopback listener answers to beside its own. */
  readonly hostNames?: readonly string[];
  readonly source: StatusSource;
  readonly swarm: SwarmSource;
  /** Prometheus text, with its content type. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Rewrites names in an answer as people know them: of JSON, which it stays. */
  readonly shown?: (json: string) => string;
  /** Called for a failure that a client saw as 500. */
  readonly onError: (error: unknown) => void;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Read-only HTTP for people and monitoring: nothing here changes anything. */
export class StatusServer {
  readonly #options: StatusServerOptions;
  readonly #server: Server;
  readonly #events: EventStream;
  readonly #swarmEvents: SwarmEvents;
  readonly #used: () => number;
  readonly #shown: (json: string) => string;
  #port = 0;

  constructor(options: StatusServerOptions) {
    this.#options = options;
    this.#shown = options.shown ?? ((json) => json);
    this.#events = new EventStream(options.source, this.#shown);
    this.#swarmEvents = new SwarmEvents(options.swarm, this.#shown);
    this.#server = createServer(
      { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES },
      (request, response) => {
        this.#serve(request, response).catch((error: unknown) => {
          options.onError(error);
          if (response.headersSent) response.destroy();
          else send(request, response, text(500, 'internal error, see the log of the agent'));
        });
      },
    );
    this.#used = limitPlaces(this.#server, PLACES);
  }

  /** `http://host:port`, after `start`. */
  get url(): string {
    return `http://${urlAuthority({ host: this.#options.listen.host, port: this.#port })}`;
  }

  /** Connections now, and listeners of events among them. */
  get connections(): { readonly all: number; readonly events: number } {
    return { all: this.#used(), events: this.#events.listeners };
  }

  /** @throws LayerswarmError `port-taken`, `config-invalid` */
  async start(): Promise<void> {
    this.#port = await listen(this.#server, this.#options.listen);
  }

  async stop(): Promise<void> {
    this.#events.close();
    this.#swarmEvents.close();
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    if (!isHostAllowed(request.headers.host, this.#options.listen.host, this.#options.hostNames)) {
      send(request, response, text(421, 'this endpoint answers for its own address only'));
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(request, response, { ...text(405, 'this endpoint is read-only'), headers: { Allow: 'GET, HEAD' } });
      return;
    }
    const path = (request.url ?? '/').split('?', 1)[0]!;
    if (path === '/api/v1/events' && request.method === 'GET') {
      this.#events.attach(request, response);
      return;
    }
    if (path === '/api/v1/swarm/events' && request.method === 'GET') {
      this.#swarmEvents.attach(request, response);
      return;
    }
    const answer = await this.#answer(path);
    send(request, response, answer.contentType === JSON_TYPE ? { ...answer, body: this.#shown(answer.body) } : answer);
  }

  async #answer(path: string): Promise<Answer> {
    const { source, swarm, metrics } = this.#options;
    // a node that nobody looks at never makes the page's files
    const file = path === '/' || path.startsWith('/assets/') ? pageFiles().get(path) : undefined;
    if (file !== undefined) return { status: 200, ...file, headers: path === '/' ? { 'Content-Security-Policy': PAGE_POLICY } : {} };
    const pull = PULL_PATH.exec(path);
    if (pull !== null) return await pullAnswer(swarm, pull[1]!, pull[2]!);
    switch (path) {
      case '/healthz':
        // Whoever reads this was answered by a process that works: nothing that a part lacks is worth a restart.
        return health(source.health(), true);
      case '/readyz':
        return readiness(source.health());
      case '/metrics': {
        const { contentType, text: body } = await metrics();
        return { status: 200, contentType, body };
      }
      case '/api/v1/status':
        await source.settled();
        return json(200, source.status());
      case '/api/v1/swarm':
        await Promise.all([source.settled(), swarm.asked()]);
        return json(200, swarm.document());
      case '/api/v1/events':
      case '/api/v1/swarm/events':
        return { status: 200, contentType: 'text/event-stream', body: '' };
      case '/api/v1/receipts':
        return json(200, { receipts: source.receipts() });
      default:
        return text(
          404,
          'there is nothing here; see /, /api/v1/status, /api/v1/events, /api/v1/receipts, /api/v1/swarm, /api/v1/swarm/events, /metrics, /healthz, /readyz',
        );
    }
  }
}

async function pullAnswer(swarm: SwarmSource, peerId: string, id: string): Promise<Answer> {
  try {
    return json(200, await swarm.pull(peerId, id));
  } catch (error) {
    if (!(error instanceof LayerswarmError)) throw error;
    return json(errorCode(error) === 'not-found' ? 404 : 503, { error: error.message });
  }
}

function readiness(node: NodeHealth): Answer {
  return health(node, node.ready);
}

function health({ level, sentence, since, ready, parts }: NodeHealth, isWell: boolean): Answer {
  return json(isWell ? 200 : 503, { status: isWell ? 'ok' : 'failed', level, sentence, since, ready, parts });
}

function json(status: number, document: unknown): Answer {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify(document)}\n` };
}

function text(status: number, line: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    'Content-Type': answer.contentType,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Content-Security-Policy': "default-src 'none'",
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
