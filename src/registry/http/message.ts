import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';

/** One request, as the handlers see it. */
export interface RegistryRequest {
  readonly method: string;
  /** The request target as it came: path and query, still encoded. */
  readonly target: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The client's body; read it through `readBody`, which bounds its silence. */
  readonly body: IncomingMessage;
  /** Aborts when the client goes away, when the route's deadline passes, and when the endpoint stops. */
  readonly signal: AbortSignal;
}

/** What a handler answers. `HEAD` is answered by the `GET` handler, and the endpoint leaves the body out. */
export interface RegistryResponse {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Buffer | StreamedBody;
  /** Called once, when the answer was sent or could not be. */
  readonly release?: () => void | Promise<void>;
}

export interface StreamedBody {
  /** Bytes; undefined where only the end of the stream tells (an answer that is passed on). */
  readonly length: number | undefined;
  /** The bytes, asked for once at most; a chunk's memory may be used again for the next. `signal` aborts when the client goes away. */
  readonly bytes: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
}

/** Where the endpoint writes lines for the operator. They never hold a secret: no header and no query is logged. */
export interface RegistryLog {
  debug(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
