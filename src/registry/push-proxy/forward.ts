import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { LayerswarmError } from '../../errors.ts';
import { OciError } from '../http-error.ts';
import type { RegistryRequest, RegistryResponse } from '../http/message.ts';
import { hasBody, readBody } from '../http/read-body.ts';

/** RFC 9110 §7.6.1, and what is about this connection alone. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
]);
/** The origin may check a whole layer before it answers. */
const ANSWER_TIMEOUT_MS = 600_000;
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

export interface Upstream {
  readonly url: URL;
  readonly dispatcher: Dispatcher;
}

/**
 * Sends a request on as it came, and gives the origin's answer back: with its own challenges, which are for the caller, and with
 * Location turned to this listener where it points at the origin.
 * @param body stands in for the request's own
 * @throws LayerswarmError `origin-unreachable`, `timeout`, `aborted`
 */
export async function forward(upstream: Upstream, request: RegistryRequest, body?: AsyncIterable<Uint8Array>): Promise<RegistryResponse> {
  const { method } = request;
  if (!METHODS.has(method)) throw new OciError(405, 'UNSUPPORTED', `this endpoint does not take ${method.slice(0, 20)}`);
  const answer = await send(upstream, request, body ?? (hasBody(request.body) ? readBody(request.body) : undefined));
  const headers = passedOn(answer.headers);
  const location = headers['location'];
  if (typeof location === 'string') headers['location'] = turnedHere(location, upstream.url, request.target);
  const length = answer.headers['content-length'];
  return {
    status: answer.statusCode,
    headers,
    body: { length: length === undefined ? undefined : Number(length), bytes: () => answer.body },
    // undici keeps the connection for the next request only when the body was read to its end
    release: () => answer.body.dump(),
  };
}

async function send(
  { url, dispatcher }: Upstream,
  request: RegistryRequest,
  body: AsyncIterable<Uint8Array> | undefined,
): Promise<Dispatcher.ResponseData> {
  try {
    return await dispatcher.request({
      origin: url.origin,
      // the target as it came: upload state in it is the origin's own encoding
      path: withoutNamespace(request.target),
      method: request.method,
      headers: passedOn(request.headers),
      body: body === undefined ? null : (body as Dispatcher.DispatchOptions['body'] & object),
      signal: request.signal,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    });
  } catch (error) {
    if (error instanceof LayerswarmError) throw error;
    if (request.signal.aborted) throw new LayerswarmError('aborted', 'the client went away', { cause: error });
    throw new LayerswarmError('origin-unreachable', `the origin ${url.origin} could not be reached: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function passedOn(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()));
  const entries = Object.entries(headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined);
  return Object.fromEntries(entries.filter(([name]) => !NOT_PASSED_ON.has(name) && !named.has(name)));
}

/** An upload goes on through this listener; where the origin sends it to another host, the client goes there itself. */
function turnedHere(location: string, origin: URL, target: string): string {
  const base = new URL(target, origin).href;
  if (!URL.canParse(location, base)) return location;
  const url = new URL(location, base);
  return url.origin === origin.origin ? `${url.pathname}${url.search}` : location;
}

/** `ns` is between the client and this node; upload state in the query is passed on byte by byte. */
function withoutNamespace(target: string): string {
  return target.replace(/([?&])ns=[^&]*(&|$)/, (_, before: string, after: string) => (after === '&' ? before : ''));
}
