import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { LayerswarmError } from '../errors.ts';

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

/** Sends the request as it is: no redirect is followed, no content decoded. @throws what undici and the network throw */
export async function exchange(dispatcher: Dispatcher, { method, url, headers, body, signal, headersTimeout, stallTimeout }: Exchange): Promise<Answer> {
  const response = await dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers: { 'user-agent': 'layerswarm', 'accept-encoding': 'identity', ...headers },
    body: typeof body === 'function' ? Readable.from(body(), { objectMode: false }) : body ?? null,
    signal: signal ?? null,
    headersTimeout,
    bodyTimeout: stallTimeout,
  });
  return new Answer(url, response.statusCode, response.headers, response.body);
}

/** Largest body that is read to its end so that the connection can be used again. */
const MAX_DISCARD = 64 * 1024;

/** An answer whose body has not been read. Exactly one of the reading methods, or `discard`, must be called. */
export class Answer {
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<IncomingHttpHeaders>;
  readonly #body: Dispatcher.ResponseData['body'];

  constructor(url: URL, status: number, headers: IncomingHttpHeaders, body: Dispatcher.ResponseData['body']) {
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
