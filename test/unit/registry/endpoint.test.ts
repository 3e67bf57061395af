import test, { type ExecutionContext } from 'ava';
import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { errorCode } from '../../../src/errors.ts';
import { HttpEndpoint } from '../../../src/registry/http/endpoint.ts';
import type { RegistryResponse, StreamedBody } from '../../../src/registry/http/message.ts';
import type { Route } from '../../../src/registry/http/router.ts';
import { send, sendBytes } from '../../support/raw-http.ts';
import { startRegistryNode } from '../../support/registry-node.ts';
import { waitFor } from '../../support/wait-for.ts';

interface Running {
  readonly endpoint: HttpEndpoint;
  readonly url: string;
  readonly port: number;
  readonly cuts: string[];
  readonly refusals: string[];
  readonly sentBytes: () => number;
}

type Handle = Route['handle'];

async function start(
  t: ExecutionContext,
  handle: Handle,
  options: { deadlineMs?: number; stallTimeoutMs?: number; method?: Route['method'] } = {},
): Promise<Running> {
  const cuts: string[] = [];
  const refusals: string[] = [];
  let sentBytes = 0;
  const { method = 'GET', deadlineMs, stallTimeoutMs } = options;
  const endpoint = new HttpEndpoint({
    listen: { host: '127.0.0.1', port: 0 },
    routes: [
      {
        name: 'test',
        method,
        path: /^\/v2\/(?<rest>.*)$/,
        unknown: 'BLOB_UNKNOWN',
        handle,
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
      },
    ],
    log: { debug: () => undefined, warn: () => undefined },
    observer: {
      answered: () => undefined,
      sentToClient: (bytes) => void (sentBytes += bytes),
      cut: (reason) => void cuts.push(reason),
      refused: (kind) => void refusals.push(kind),
    },
    ...(stallTimeoutMs === undefined ? {} : { stallTimeoutMs }),
  });
  await endpoint.start();
  t.teardown(() => endpoint.stop(0));
  return { endpoint, url: endpoint.url, port: Number(new URL(endpoint.url).port), cuts, refusals, sentBytes: () => sentBytes };
}

function streamed(length: number, bytes: StreamedBody['bytes'], release?: () => void): RegistryResponse {
  return { status: 200, headers: { 'Content-Length': length }, body: { length, bytes }, ...(release === undefined ? {} : { release }) };
}

async function* chunks(count: number, size = 65_536): AsyncGenerator<Buffer> {
  for (let index = 0; index < count; index++) yield Buffer.alloc(size);
}

/** The answer, its body not read. */
async function open(url: string): Promise<IncomingMessage> {
  const request = httpGet(url, { agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

async function readLength(response: IncomingMessage): Promise<number> {
  let length = 0;
  for await (const chunk of response) length += (chunk as Buffer).length;
  return length;
}

const HELLO: Handle = () => ({ status: 200, headers: { 'Content-Length': 5 }, body: Buffer.from('hello') });

test('a TLS hello is answered in plain text at once, and counted', async (t) => {
  const { port, refusals } = await start(t, HELLO);
  const answer = await sendBytes(port, Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x03]));
  t.regex(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
  t.regex(answer, /plain HTTP/);
  t.deepEqual(refusals, ['tls-hello']);
});

test('a real TLS client fails at once instead of waiting', async (t) => {
  const { port } = await start(t, HELLO);
  const socket = tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  const [error] = (await once(socket, 'error')) as [Error & { code?: string }];
  t.is(error.code, 'ERR_SSL_WRONG_VERSION_NUMBER', error.message);
});

for (const [title, bytes, status] of [
  ['headers beyond the limit', `GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`, 431],
  ['garbage', 'hello there\r\n\r\n', 400],
  ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
] as const) {
  test(`${title} is answered with ${status}`, async (t) => {
    const { port } = await start(t, HELLO);
    t.regex(await sendBytes(port, bytes), new RegExp(`^HTTP/1\\.1 ${status} `));
  });
}

for (const [title, target, status, code] of [
  ['a target beyond the limit', `/v2/${'a'.repeat(9000)}`, 414, 'UNSUPPORTED'],
  ['broken percent-encoding', '/v2/%zz', 400, 'NAME_INVALID'],
  ['a path outside of /v2/', '/etc/passwd', 404, 'NAME_UNKNOWN'],
] as const) {
  test(`${title} is answered with ${status} ${code}`, async (t) => {
    const { url } = await start(t, HELLO);
    const answer = await send(url + target);
    t.is(answer.status, status);
    t.is((JSON.parse(answer.body.toString()) as { errors: { code: string }[] }).errors[0]?.code, code);
  });
}

test('a method that is not taken is answered with those that are', async (t) => {
  const { url } = await start(t, HELLO);
  const answer = await send(`${url}/v2/x`, { method: 'DELETE' });
  t.is(answer.status, 405);
  t.is(answer.headers.allow, 'GET, HEAD');
});

test('connections stay open longer than a Go client keeps them, and HEAD has no body', async (t) => {
  const { url } = await start(t, HELLO);
  const answer = await send(`${url}/v2/`, { method: 'HEAD', headers: { connection: 'keep-alive' } });
  t.is(answer.headers['keep-alive'], 'timeout=120');
  t.is(answer.headers['content-length'], '5');
  t.is(answer.body.length, 0);
});

test('localhost is served over IPv6 too', async (t) => {
  const { port } = await start(t, HELLO);
  t.is((await send(`http://[::1]:${port}/v2/`)).body.toString(), 'hello');
});

test('a port that is taken is named', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const endpoint = new HttpEndpoint({
    listen: { host: '127.0.0.1', port },
    routes: [],
    log: { debug: () => undefined, warn: () => undefined },
    observer: { answered: () => undefined, sentToClient: () => undefined, cut: () => undefined, refused: () => undefined },
  });
  const error = await t.throwsAsync(endpoint.start());
  t.is(errorCode(error), 'port-taken');
  t.regex(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
});

test('a web page may not write', async (t) => {
  const { url } = await start(t, HELLO, { method: '*' });
  const answer = await send(`${url}/v2/`, { method: 'POST', headers: { origin: 'https://evil.example' }, body: 'x' });
  t.is(answer.status, 403);
  t.is((await send(`${url}/v2/`, { method: 'POST', body: 'x' })).status, 200);
});

test('headers that do not come in time are a 503, and what comes late is released', async (t) => {
  const { promise: late, resolve } = Promise.withResolvers<RegistryResponse>();
  let aborted = false;
  let released = false;
  const { url } = await start(
    t,
    (request) => {
      request.signal.addEventListener('abort', () => {
        aborted = true;
      });
      return late;
    },
    { deadlineMs: 20 },
  );
  const answer = await send(`${url}/v2/`);
  t.is(answer.status, 503);
  t.is(answer.headers['retry-after'], '5');
  t.true(aborted);
  resolve({
    status: 200,
    headers: {},
    release: () => {
      released = true;
    },
  });
  await waitFor('the release', () => released);
  t.pass();
});

test('a body that cannot go on cuts the connection, so that the client resumes', async (t) => {
  let released = 0;
  const { url, cuts, sentBytes } = await start(t, () =>
    streamed(
      1_000_000,
      async function* broken() {
        yield Buffer.alloc(1000);
        throw new Error('no more');
      },
      () => void released++,
    ),
  );
  const response = await open(`${url}/v2/`);
  t.is(response.headers['content-length'], '1000000');
  const received: Buffer[] = [];
  const error = await t.throwsAsync(async () => {
    for await (const chunk of response) received.push(chunk as Buffer);
  });
  t.is((error as NodeJS.ErrnoException).code, 'ECONNRESET');
  t.is(Buffer.concat(received).length, 1000);
  t.deepEqual(cuts, ['no-progress']);
  await waitFor('the release', () => released === 1);
  t.is(sentBytes(), 1000, 'what was sent counts, whatever came of it');
});

test('a body that ends early cuts the connection', async (t) => {
  const { url, cuts } = await start(t, () => streamed(131_072, () => chunks(1)));
  const response = await open(`${url}/v2/`);
  await t.throwsAsync(readLength(response));
  t.deepEqual(cuts, ['no-progress']);
});

test('a body that goes on after its end is not sent on', async (t) => {
  const { url, cuts } = await start(t, () => streamed(131_072, () => chunks(3)));
  t.is(await readLength(await open(`${url}/v2/`)), 131_072);
  await waitFor('the cut', () => cuts.length > 0);
  t.deepEqual(cuts, ['no-progress']);
});

test('a client that stops reading is cut off, and what it held is released', async (t) => {
  let released = false;
  const { url, cuts } = await start(
    t,
    () =>
      streamed(
        65_536 * 100_000,
        () => chunks(100_000),
        () => {
          released = true;
        },
      ),
    { stallTimeoutMs: 50 },
  );
  const response = await open(`${url}/v2/`);
  response.on('error', () => undefined);
  response.pause();
  await waitFor('the cut', () => released);
  t.deepEqual(cuts, ['stalled-client']);
});

test('a client that goes away releases its answer, which is not counted as cut', async (t) => {
  let released = false;
  const { url, cuts } = await start(t, () =>
    streamed(
      65_536 * 100_000,
      () => chunks(100_000),
      () => {
        released = true;
      },
    ),
  );
  const response = await open(`${url}/v2/`);
  response.destroy();
  await waitFor('the release', () => released);
  t.deepEqual(cuts, []);
});

test('a client that goes away before its headers ends the handler', async (t) => {
  let reason: unknown;
  const { promise: started, resolve } = Promise.withResolvers<void>();
  const { url } = await start(
    t,
    (request) => {
      resolve();
      return new Promise((_, reject) => {
        request.signal.addEventListener('abort', () => {
          reason = request.signal.reason;
          reject(request.signal.reason);
        });
      });
    },
    { deadlineMs: 60_000 },
  );
  const request = httpGet(`${url}/v2/`, { agent: false });
  request.on('error', () => undefined);
  await started;
  request.destroy();
  await waitFor('the end of the handler', () => reason !== undefined);
  t.is(errorCode(reason), 'aborted');
});

test('stopping lets answers end for a while and then cuts them', async (t) => {
  const { endpoint, url } = await start(t, () =>
    streamed(10, async function* never(signal) {
      yield Buffer.alloc(1);
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
    }),
  );
  const response = await open(`${url}/v2/`);
  response.on('error', () => undefined);
  await endpoint.stop(10);
  await t.throwsAsync(readLength(response));
  await t.throwsAsync(send(`${url}/v2/`));
});

test('a listener on loopback answers only to names of its own, so that no web page can read through it', async (t) => {
  const node = await startRegistryNode(t, { origin: 'embedded', hostNames: ['registry.local'] });
  const { port } = new URL(node.url);
  for (const [host, status] of [
    [`127.0.0.1:${port}`, 200],
    ['127.0.0.1', 200],
    [`localhost:${port}`, 200],
    [`[::1]:${port}`, 200],
    [`registry.local:${port}`, 200],
    [`REGISTRY.local`, 200],
    [`evil.example:${port}`, 421],
    ['evil.example', 421],
    ['127.0.0.1.evil.example', 421],
    [`169.254.169.254:${port}`, 421],
  ] as const) {
    const answer = await send(`${node.url}/v2/`, { headers: { host } });
    t.is(answer.status, status, host);
    if (status === 421) t.regex(answer.body.toString(), /"code":"DENIED".*hostNames/);
  }
});
