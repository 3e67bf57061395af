import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { LayerswarmError } from '../errors.ts';
import type { Dispatchers } from './tls.ts';

export type Body = Uint8Array | (() => AsyncIterable<Uint8Array>);

/** One request to one host, without any policy. */
export interface Exchange {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly headersTimeout: number;
  /** Milliseconds without a byte of the body. */
  readonly stallTimeout: number;
}

/** Sends one request over connections to the registry, or to what it leads to. @throws AttemptFailed; what undici and the network throw */
export type Transport = (way: keyof Dispatchers, exchange: Exchange) => Promise<Answer>;

/** Sends the request as it is: no redirect is followed, no content decoded. @throws what undici and the network throw */
export async function exchange(
  dispatcher: Dispatchers[keyof Dispatchers],
  { method, url, headers, body, signal, headersTimeout, stallTimeout }: Exchange,
): Promise<Answer> {
  const response = await dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers: { 'user-agent': 'layerswarm', 'accept-encoding': 'identity', ...headers },
    body: typeof body === 'function' ? Readable.from(body(), { objectMode: false }) : (body ?? null),
    signal: signal ?? null,
    headersTimeout,
    bodyTimeout: stallTimeout,
  });
  return new Answer(url, response.statusCode, response.headers, response.body);
}

/** Largest body that is read to its end so that the connection can be used again. */
const MAX_DISCARD = 64 * 1024;

/** What of undici's body an answer needs; one that is in another thread has as much. */
export interface AnswerBody extends AsyncIterable<Uint8Array> {
  readonly closed: boolean;
  on(event: 'error', listener: () => void): unknown;
  once(event: 'close', listener: () => void): unknown;
  /** Reads it to its end, where that is near. */
  dump(options: { readonly limit: number }): Promise<void>;
  destroy(): unknown;
}

/** An answer whose body has not been read. Exactly one of the reading methods, or `discard`, must be called. */
export class Answer {
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<IncomingHttpHeaders>;
  readonly #body: AnswerBody;

  constructor(url: URL, status: number, headers: IncomingHttpHeaders, body: AnswerBody) {
    this.url = url;
    this.status = status;
    this.headers = headers;
    this.#body = body;
    // whoever reads gets the error; after `discard` nobody needs it, and without a listener it would end the process
    body.on('error', () => undefined);
  }

  /** A header that is sent once; the first where it is not. */
  header(name: string): string | undefined {
    const value = this.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Content-Length, where it is a count of bytes. */
  get contentLength(): number | undefined {
    const text = this.header('content-length');
    const length = text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
    return length;
  }

  /** Called once the body is read, given up or cut. */
  onClose(listener: () => void): void {
    if (this.#body.closed) listener();
    else this.#body.once('close', listener);
  }

  /** The body as it comes; leaving the loop early ends the connection. */
  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return (this.#body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** The whole body. @throws LayerswarmError `too-large` beyond `limit` bytes */
  async bytes(limit: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of this) {
      length += chunk.length;
      if (length > limit) throw new LayerswarmError('too-large', `${this.url.host} sent more than ${limit} bytes for ${this.url.pathname}`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, length);
  }

  /** Up to `limit` bytes from the beginning, for messages; never throws. */
  async excerpt(limit: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of this) {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= limit) break;
      }
    } catch {
      // what came is all there is to say
    }
    return Buffer.concat(chunks).subarray(0, limit);
  }

  /** Lets go of the body; the connection is kept where little is left to read. */
  discard(): void {
    // distribution 2.8 announces a whole blob's length with its 416
    const keep = this.status !== 416 && (this.contentLength ?? 0) <= MAX_DISCARD;
    if (keep) this.#body.dump({ limit: MAX_DISCARD }).catch(() => undefined);
    else this.#body.destroy();
  }
}

/** A digest is of the content itself, and nothing else was asked for. @throws LayerswarmError `unsupported` */
export function requireIdentity(what: string, answer: Answer): void {
  const encoding = answer.header('content-encoding') ?? 'identity';
  if (encoding === 'identity') return;
  answer.discard();
  throw new LayerswarmError(
    'unsupported',
    `${answer.url.host} sent ${what} encoded as ${encoding.slice(0, 20)}, which was not asked for; check the proxies in front of it`,
  );
}
