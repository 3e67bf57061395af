import { connect, type Socket } from 'node:net';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface RawRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

/** One request on a connection of its own, with nothing added, decoded or followed, as `fetch` would. */
export function send(url: string, { method = 'GET', headers = {}, body }: RawRequest = {}): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const request = httpRequest(url, {
    method,
    headers: { connection: 'close', ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }), ...headers },
    agent: false,
  });
  request.once('response', (response) => {
    response
      .toArray()
      .then(
        (chunks: Buffer[]) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        reject,
      );
  });
  request.once('error', reject);
  request.end(body);
  return promise;
}

/** Writes bytes to a port and collects what comes back until the other side closes. */
export function sendBytes(port: number, bytes: Buffer | string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes));
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  socket.once('error', reject);
  return promise;
}
