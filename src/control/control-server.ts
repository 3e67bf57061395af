import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errorCode, LayerswarmError } from '../errors.ts';
import { listenOnSocket, removeSocket } from './control-socket.ts';
import type { AnswerLine, OperationName, Operations } from './operations.ts';
import { isOperation, requestSchemas } from './request-schema.ts';

const MAX_REQUEST_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 64;
/** The command line measures silence: a line at least this often shows it that the agent lives. */
const HEARTBEAT_MS = 5000;

/** What a handler is given beside the request. `signal` ends when the caller went away or the agent stops. */
export interface OperationContext<N extends OperationName> {
  readonly signal: AbortSignal;
  readonly progress: (progress: Operations[N]['progress']) => void;
}

export type Handlers = {
  readonly [N in OperationName]: (request: Operations[N]['request'], context: OperationContext<N>) => Promise<Operations[N]['result']>;
};

export interface ControlServerOptions {
  readonly path: string;
  readonly group?: string | undefined;
  /** An operation without one is answered as one that this agent does not know. */
  readonly handlers: Partial<Handlers>;
  readonly onError: (operation: string, error: unknown) => void;
  /** Rewrites names in an answer as people know them: of JSON, which it stays. */
  readonly shown?: (json: string) => string;
}

/**
 * `POST /v1/<operation>` with a JSON body, over a Unix socket; the answer is a stream of JSON lines (`AnswerLine`). Who may open
 * the socket may do everything.
 */
export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  readonly #stopping = new AbortController();

  constructor(options: ControlServerOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: 30_000 }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        options.onError(request.url ?? '', error);
        response.destroy();
      });
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  get path(): string {
    return this.#options.path;
  }

  /** @throws `config-invalid`, `port-taken` */
  async start(): Promise<void> {
    await listenOnSocket(this.#server, this.#options.path, this.#options.group);
  }

  /** Ends the operations that run, and removes the socket. */
  async stop(): Promise<void> {
    this.#stopping.abort(new LayerswarmError('aborted', 'the agent is stopping'));
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    const cut = setTimeout(() => this.#server.closeAllConnections(), 500);
    await closed;
    clearTimeout(cut);
    await removeSocket(this.#options.path);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    // A caller may go away at any moment, also in the middle of a line; `close` says so.
    response.on('error', () => undefined);
    response.once('close', () => gone.abort(new LayerswarmError('aborted', 'the caller went away')));
    const signal = AbortSignal.any([gone.signal, this.#stopping.signal]);
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
    response.flushHeaders();
    const heartbeat = setInterval(() => {
      if (!response.writableEnded) response.write('\n');
    }, HEARTBEAT_MS);
    const name = /^\/v1\/([a-z-]+)$/.exec(request.url ?? '')?.[1] ?? '';
    try {
      if (request.method !== 'POST' || !isOperation(name)) {
        throw unknownOperation(name);
      }
      const result = await this.#run(name, await readJson(request), signal, response);
      this.#write(response, { result });
    } catch (error) {
      if (gone.signal.aborted) return;
      const code = errorCode(error);
      if (code === 'internal') this.#options.onError(name, error);
      const detail = error instanceof LayerswarmError ? error.detail : undefined;
      this.#write(response, {
        error: {
          code,
          message: error instanceof Error ? error.message : String(error),
          ...(detail === undefined ? {} : { detail: { ...detail } }),
        },
      });
    } finally {
      clearInterval(heartbeat);
      response.end();
    }
  }

  async #run<N extends OperationName>(
    name: N,
    body: unknown,
    signal: AbortSignal,
    response: ServerResponse,
  ): Promise<Operations[N]['result']> {
    const request = requestSchemas[name].safeParse(body);
    if (!request.success) {
      const [issue] = request.error.issues;
      throw new LayerswarmError(
        'usage',
        `${name}: expected a request that fits its schema, received another ${issue?.path.join('.') ?? 'value'}`,
        { cause: request.error },
      );
    }
    const progress = (progress: Operations[N]['progress']): void => {
      // A caller that does not read misses progress, never the result.
      if (!response.writableNeedDrain && !signal.aborted) this.#write<N>(response, { progress });
    };
    const handler = this.#options.handlers[name];
    if (handler === undefined) throw unknownOperation(name);
    return handler(request.data, { signal, progress });
  }

  #write<N extends OperationName>(response: ServerResponse, line: AnswerLine<N>): void {
    // What an operation tells after its end, or its caller's, is for nobody.
    if (response.writableEnded || response.destroyed) return;
    const { shown = asItIs } = this.#options;
    response.write(`${shown(JSON.stringify(line))}\n`);
  }
}

function asItIs(text: string): string {
  return text;
}

function unknownOperation(name: string): LayerswarmError {
  return new LayerswarmError(
    'unsupported',
    `this agent knows no operation "${name}": it may be older than the command; restart it with the same version`,
  );
}

async function readJson(request: AsyncIterable<Buffer>): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_REQUEST_BYTES)
      throw new LayerswarmError('too-large', `expected a request of at most ${MAX_REQUEST_BYTES} bytes, received more`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch (error) {
    throw new LayerswarmError('usage', 'expected a request in JSON, received something else', { cause: error });
  }
}
