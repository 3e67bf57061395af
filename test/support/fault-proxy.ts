import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cleanup } from './cleanup.ts';
import { isBlobRead } from './docker-registry.ts';
import { type RunningServer, serve, type ServeOptions } from './http-server.ts';

/** What goes wrong with an answer. Offsets and lengths count body bytes of that answer. */
export type Fault =
  /** An answer of the proxy's own, also of the wrong kind. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Buffer;
    }
  | { readonly kind: 'redirect'; readonly to: string | ((url: string) => string); readonly status?: number }
  /** Never answers. */
  | { readonly kind: 'hang' }
  /** Ends the connection before an answer. */
  | { readonly kind: 'reset' }
  /** First byte of the answer after `ms`. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** The same once it is opened. */
  | { readonly kind: 'gate'; readonly opened: Promise<void> }
  /** A complete answer with fewer bytes than there are. */
  | { readonly kind: 'short'; readonly bytes: number }
  /** A complete answer with more bytes than there are. */
  | { readonly kind: 'overlong'; readonly extra: number }
  /** The connection ends after so many bytes. */
  | { readonly kind: 'cut'; readonly after: number }
  /** Silence after so many bytes, with the connection open. */
  | { readonly kind: 'stall'; readonly after: number }
  /** The bits of one byte are flipped. */
  | { readonly kind: 'corrupt'; readonly at: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** The origin does not see the Range header, and so answers 200. */
  | { readonly kind: 'norange' }
  /** The first bytes of all, in place of those that Range asks for, under headers that are right. */
  | { readonly kind: 'lyingrange' }
  /** Headers of the answer; undefined removes one. */
  | { readonly kind: 'headers'; readonly set: Readonly<Record<string, string | undefined>> };

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Of the answer; 0 while there is none. */
  status: number;
  bodyBytes: number;
}

export interface InjectOptions {
  /** Absent: every request. */
  readonly match?: ((request: SeenRequest) => boolean) | undefined;
  /** How many requests it hits; absent: all. */
  readonly times?: number | undefined;
}

/** An HTTP proxy in front of an origin, which passes everything through until a fault is injected. */
export interface FaultProxy extends RunningServer {
  readonly requests: readonly SeenRequest[];
  /** Body bytes sent of GET answers under /blobs/. */
  readonly blobBytes: number;
  /** Every fault that matches a request acts on it, in the order of injection. Returns what takes it away again. */
  inject(fault: Fault, options?: InjectOptions): () => void;
  /** Where requests go from now on. */
  upstream: string;
}

export async function startFaultProxy(cleanup: Cleanup, upstream: string, options: ServeOptions = {}): Promise<FaultProxy> {
  const requests: SeenRequest[] = [];
  const injected = new Set<{ fault: Fault; match: (request: SeenRequest) => boolean; left: number }>();
  let target = upstream;

  function faultsFor(seen: SeenRequest): Fault[] {
    const hits = [...injected].filter(({ match }) => match(seen));
    for (const hit of hits) {
      hit.left -= 1;
      if (hit.left === 0) injected.delete(hit);
    }
    return hits.map(({ fault }) => fault);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen: SeenRequest = { method: request.method ?? '', url: request.url ?? '/', headers: request.headers, status: 0, bodyBytes: 0 };
    requests.push(seen);
    const faults = faultsFor(seen);
    for (const fault of faults) {
      if (await answeredByItself(fault, seen, response)) return;
    }
    await passThrough(target, seen, faults, request, response);
  }

  const server = await serve(
    cleanup,
    (request, response) => {
      answer(request, response).catch(() => response.destroy()); // the client is gone, or the origin is: both look so to a client
    },
    options,
  );
  return {
    ...server,
    requests,
    get blobBytes() {
      return requests.filter(isBlobRead).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
    },
    inject(fault, { match = () => true, times = Number.POSITIVE_INFINITY } = {}) {
      const entry = { fault, match, left: times };
      injected.add(entry);
      return () => {
        injected.delete(entry);
      };
    },
    get upstream() {
      return target;
    },
    set upstream(url) {
      target = url;
    },
  };
}

async function answeredByItself(fault: Fault, seen: SeenRequest, response: ServerResponse): Promise<boolean> {
  switch (fault.kind) {
    case 'status': {
      const body = Buffer.from(fault.body ?? '');
      seen.status = fault.status;
      seen.bodyBytes = seen.method === 'HEAD' ? 0 : body.length;
      response.writeHead(fault.status, { 'content-length': body.length, ...fault.headers }).end(seen.method === 'HEAD' ? undefined : body);
      return true;
    }
    case 'redirect': {
      seen.status = fault.status ?? 307;
      response
        .writeHead(seen.status, { location: typeof fault.to === 'string' ? fault.to : fault.to(seen.url), 'content-length': 0 })
        .end();
      return true;
    }
    case 'hang':
      return true;
    case 'reset': {
      response.socket?.resetAndDestroy();
      return true;
    }
    case 'delay': {
      await delay(fault.ms);
      break;
    }
    case 'gate': {
      await fault.opened;
      break;
    }
    case 'short':
    case 'overlong':
    case 'cut':
    case 'stall':
    case 'corrupt':
    case 'slow':
    case 'norange':
    case 'lyingrange':
    case 'headers':
      break;
  }
  return false;
}

async function passThrough(
  target: string,
  seen: SeenRequest,
  faults: readonly Fault[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(seen.url, target);
  const headers = { ...seen.headers };
  const asked = /^bytes=(\d+)-(\d+)$/.exec(seen.headers.range ?? '');
  const lie =
    faults.some(({ kind }) => kind === 'lyingrange') && asked !== null
      ? { start: Number(asked[1]), length: Number(asked[2]) - Number(asked[1]) + 1 }
      : undefined;
  if (lie !== undefined || faults.some(({ kind }) => kind === 'norange')) delete headers.range;
  const upstream = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { method: seen.method, headers });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  upstream.once('response', resolve).on('error', reject);
  response.on('close', () => upstream.destroy());
  request.on('error', reject).pipe(upstream);
  const answer = await promise;
  seen.status = answer.statusCode ?? 502;
  if (lie !== undefined) {
    seen.status = 206;
    response.writeHead(206, {
      'content-length': lie.length,
      'content-range': `bytes ${lie.start}-${lie.start + lie.length - 1}/${answer.headers['content-length'] ?? '*'}`,
    });
    await sendBody(answer, [...faults, { kind: 'short', bytes: lie.length }], seen, response);
    return;
  }
  response.writeHead(seen.status, changedHeaders(answer, faults));
  response.flushHeaders();
  await sendBody(answer, faults, seen, response);
}

function changedHeaders(answer: IncomingMessage, faults: readonly Fault[]): Record<string, string | string[] | number> {
  const headers = { ...answer.headers };
  const length = Number(headers['content-length']);
  for (const fault of faults) {
    if (fault.kind === 'short') headers['content-length'] = String(Math.min(length, fault.bytes));
    else if (fault.kind === 'overlong') headers['content-length'] = String(length + fault.extra);
    else if (fault.kind === 'headers') Object.assign(headers, fault.set);
  }
  return Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined));
}

async function sendBody(answer: IncomingMessage, faults: readonly Fault[], seen: SeenRequest, response: ServerResponse): Promise<void> {
  const cut = faults.find((fault) => fault.kind === 'cut');
  const stall = faults.find((fault) => fault.kind === 'stall');
  const short = faults.find((fault) => fault.kind === 'short');
  const overlong = faults.find((fault) => fault.kind === 'overlong');
  const slow = faults.find((fault) => fault.kind === 'slow');
  const end = Math.min(cut?.after ?? Infinity, stall?.after ?? Infinity, short?.bytes ?? Infinity);
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    for (const fault of faults) {
      const at = fault.kind === 'corrupt' ? fault.at - seen.bodyBytes : -1;
      if (at >= 0 && at < chunk.length) chunk[at]! ^= 0xff;
    }
    const rest = chunk.subarray(0, end - seen.bodyBytes);
    for (const part of slow === undefined ? [rest] : slices(rest, Math.max(1, Math.ceil(slow.bytesPerSecond / 20)))) {
      if (slow !== undefined) await delay((part.length / slow.bytesPerSecond) * 1000);
      seen.bodyBytes += part.length;
      if (!response.write(part)) await drained(response);
    }
    if (seen.bodyBytes >= end) break;
  }
  if (stall !== undefined && seen.bodyBytes >= stall.after) return;
  if (cut !== undefined && seen.bodyBytes >= cut.after) {
    // what was written must arrive, or the client would see a shorter prefix than was asked for
    response.write('', () => response.destroy());
    return;
  }
  response.end(overlong === undefined ? undefined : Buffer.alloc(overlong.extra));
}

function slices(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, at) => bytes.subarray(at * length, (at + 1) * length));
}

async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const closed = (): void => reject(new Error('the client is gone'));
  response.once('drain', resolve).once('close', closed);
  try {
    await promise;
  } finally {
    response.off('close', closed).off('drain', resolve);
  }
}
