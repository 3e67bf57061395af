import { request } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { Metrics } from '../../../src/status/metrics.ts';
import type { NodeHealth, StatusDocument } from '../../../src/status/status-document.ts';
import { StatusServer } from '../../../src/status/status-server.ts';
import { healthSample, receiptSample, statusSample } from '../../support/status-sample.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

async function serve(t: ExecutionContext, parts: { status?: () => StatusDocument; health?: NodeHealth } = {}): Promise<string> {
  const status = parts.status ?? (() => statusSample);
  const server = new StatusServer({
    listen: { host: '127.0.0.1', port: 0 },
    source: { status, settled: () => Promise.resolve(), receipts: () => [receiptSample], health: () => parts.health ?? healthSample },
    metrics: () => new Metrics(status, []).scrape(),
    onError: (error) => t.fail(String(error)),
  });
  await server.start();
  t.teardown(() => server.stop());
  return server.url;
}

function ask(url: string, options: { method?: string; host?: string } = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  request(url, { method: options.method ?? 'GET', agent: false, ...(options.host === undefined ? {} : { headers: { Host: options.host } }) }, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('error', reject)
      .on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
  }).on('error', reject).end();
  return promise;
}

const routes: readonly [path: string, status: number, type: string, holds: RegExp][] = [
  ['/', 200, 'text/html; charset=utf-8', /<title>layerswarm<\/title>/],
  ['/healthz', 200, 'application/json', /"status":"ok"/],
  ['/readyz', 200, 'application/json', /"origin":\{"level":"ok"/],
  ['/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8', /^layerswarm_peers 1$/m],
  ['/api/v1/status', 200, 'application/json', /"zone":"rack-1"/],
  ['/api/v1/receipts', 200, 'application/json', /"receipts":\[\{"id":"0a1b2c3d4e5f"/],
  ['/api/v1/status?x=1', 200, 'application/json', /"zone"/],
  ['/api/v2/status', 404, 'text/plain; charset=utf-8', /nothing here/],
];
for (const [path, status, type, holds] of routes) {
  test(`GET ${path} answers ${status}, and HEAD the same without a body`, async (t) => {
    const url = await serve(t);
    const got = await ask(`${url}${path}`);
    t.is(got.status, status);
    t.is(got.headers['content-type'], type);
    t.regex(got.body, holds);
    const head = await ask(`${url}${path}`, { method: 'HEAD' });
    t.is(head.status, status);
    t.is(head.body, '');
    if (path !== '/metrics') t.is(head.headers['content-length'], got.headers['content-length']);
  });
}

test('the status document has exactly the keys that are promised', async (t) => {
  const url = await serve(t);
  const document = JSON.parse((await ask(`${url}/api/v1/status`)).body) as Record<string, unknown>;
  t.deepEqual(document, structuredClone(statusSample) as unknown as Record<string, unknown>);
  t.deepEqual(Object.keys(document), ['version', 'peerId', 'name', 'zone', 'uptimeSeconds', 'multiaddrs', 'health', 'membership', 'origin', 'registries', 'trust', 'store', 'containerd', 'traffic', 'activity', 'peers', 'transfers', 'images', 'replication', 'strayErrors', 'bans']);
});

for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
  test(`${method} is refused: the endpoint is read-only`, async (t) => {
    const url = await serve(t);
    const answer = await ask(`${url}/api/v1/status`, { method });
    t.is(answer.status, 405);
    t.is(answer.headers['allow'], 'GET, HEAD');
  });
}

for (const [host, status] of [['127.0.0.1:5051', 200], ['localhost', 200], ['[::1]:80', 200], ['evil.example', 421], ['127.0.0.1.evil.example', 421]] as const) {
  test(`a request to ${host} on a loopback listener answers ${status}`, async (t) => {
    t.is((await ask(`${await serve(t)}/api/v1/status`, { host })).status, status);
  });
}

test('a node that is not ready answers 503 with all that is known of its parts, and lives on', async (t) => {
  const health: NodeHealth = { ...healthSample, level: 'bad', ready: false };
  const url = await serve(t, { health });
  const answer = await ask(`${url}/readyz`);
  t.is(answer.status, 503);
  t.deepEqual(JSON.parse(answer.body), { status: 'failed', ...health });
  const lives = await ask(`${url}/healthz`);
  t.is(lives.status, 200);
  t.deepEqual(JSON.parse(lives.body), { status: 'ok', ...health });
});

test('the page runs nothing but its own script', async (t) => {
  const { headers, body } = await ask(`${await serve(t)}/`);
  const policy = String(headers['content-security-policy']);
  t.regex(policy, /default-src 'none'.*script-src 'sha256-[^']+'; connect-src 'self'/);
  t.notRegex(policy, /unsafe/);
  t.notRegex(body, /(src|href)="(https?:)?\/\//);
});

test('events carry the document at once, and again when it changed', async (t) => {
  let peers = statusSample.peers;
  const url = await serve(t, { status: () => ({ ...statusSample, peers }) });
  const response = await fetch(`${url}/api/v1/events`);
  t.is(response.headers.get('content-type'), 'text/event-stream');
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const next = async (): Promise<StatusDocument> => {
    for (;;) {
      const event = /event: status\ndata: (.*)\n\n/.exec(text);
      if (event !== null) {
        text = text.slice(event.index + event[0].length);
        return JSON.parse(event[1]!) as StatusDocument;
      }
      const { value, done } = await reader.read();
      if (done) throw new Error('the stream ended');
      text += value;
    }
  };
  t.is((await next()).peers.length, 1);
  peers = [];
  for (;;) {
    if ((await next()).peers.length === 0) break;
  }
  await reader.cancel();
  t.pass();
});

test('listeners beyond the limit are sent away', async (t) => {
  const url = await serve(t);
  const open = await Promise.all(Array.from({ length: 32 }, () => fetch(`${url}/api/v1/events`)));
  t.true(open.every(({ status }) => status === 200));
  t.is((await fetch(`${url}/api/v1/events`)).status, 503);
  await Promise.all(open.map((response) => response.body!.cancel()));
});

test('a port that another program has is said so', async (t) => {
  const port = Number(new URL(await serve(t)).port);
  const second = new StatusServer({
    listen: { host: '127.0.0.1', port },
    source: { status: () => statusSample, settled: () => Promise.resolve(), receipts: () => [], health: () => healthSample },
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
    onError: () => undefined,
  });
  await t.throwsAsync(second.start(), { code: 'port-taken', message: new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: another program`) });
});
