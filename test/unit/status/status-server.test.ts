import { request } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { Metrics } from '../../../src/status/metrics.ts';
import type { NodeHealth, StatusDocument } from '../../../src/status/status-document.ts';
import type { SwarmChange } from '../../../src/status/swarm-document.ts';
import { StatusServer } from '../../../src/status/status-server.ts';
import { healthSample, receiptSample, statusSample } from '../../support/status-sample.ts';
import { waitFor } from '../../support/wait-for.ts';
import { makeSwarm, SwarmSample } from '../../support/swarm-sample.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

async function serve(
  t: ExecutionContext,
  parts: { status?: () => StatusDocument; health?: NodeHealth; swarm?: SwarmSample } = {},
): Promise<string> {
  const status = parts.status ?? (() => statusSample);
  const server = new StatusServer({
    listen: { host: '127.0.0.1', port: 0 },
    source: { status, settled: () => Promise.resolve(), receipts: () => [receiptSample], health: () => parts.health ?? healthSample },
    swarm: parts.swarm ?? new SwarmSample(makeSwarm({ nodes: 3, images: 2 })),
    metrics: () => new Metrics(status, { clients: [], refusals: [] }).scrape(),
    onError: (error) => t.fail(String(error)),
  });
  await server.start();
  t.teardown(() => server.stop());
  return server.url;
}

/** The swarm's events, one after the other. */
async function listen(url: string): Promise<{ next(): Promise<SwarmChange>; close(): Promise<void> }> {
  const response = await fetch(url);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    close: () => reader.cancel(),
    async next() {
      for (;;) {
        const event = /event: swarm\ndata: (.*)\n\n/.exec(text);
        if (event !== null) {
          text = text.slice(event.index + event[0].length);
          return JSON.parse(event[1]!) as SwarmChange;
        }
        const { value, done } = await reader.read();
        if (done) throw new Error('the stream ended');
        text += value;
      }
    },
  };
}

function ask(url: string, options: { method?: string; host?: string } = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  request(
    url,
    { method: options.method ?? 'GET', agent: false, ...(options.host === undefined ? {} : { headers: { Host: options.host } }) },
    (response) => {
      let body = '';
      response
        .setEncoding('utf8')
        .on('data', (text: string) => {
          body += text;
        })
        .on('error', reject)
        .on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    },
  )
    .on('error', reject)
    .end();
  return promise;
}

const routes: readonly [path: string, status: number, type: string, holds: RegExp][] = [
  ['/', 200, 'text/html; charset=utf-8', /<title>layerswarm<\/title>/],
  ['/healthz', 200, 'application/json', /"status":"ok"/],
  ['/readyz', 200, 'application/json', /"origin":\{"level":"ok"/],
  ['/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8', /^layerswarm_peers 1$/m],
  ['/api/v1/status', 200, 'application/json', /"zone":"rack-1"/],
  ['/api/v1/receipts', 200, 'application/json', /"receipts":\[\{"id":"0a1b2c3d4e5f"/],
  ['/api/v1/swarm', 200, 'application/json', /"about":\{"self"/],
  ['/api/v1/swarm/pulls/12D3KooWNode1/0a1b2c3d4e01', 200, 'application/json', /"verdict"/],
  ['/api/v1/swarm/pulls/12D3KooWNode1/ffffffffffff', 404, 'application/json', /"error":"/],
  ['/api/v1/swarm/pulls/../status', 404, 'text/plain; charset=utf-8', /nothing here/],
  ['/assets/page.css', 200, 'text/css; charset=utf-8', /prefers-color-scheme/],
  ['/assets/status/page/main.ts', 200, 'text/javascript; charset=utf-8', /from '\.\/feed\.ts'/],
  ['/assets/quantity.ts', 200, 'text/javascript; charset=utf-8', /export function formatBytes\(bytes/],
  ['/assets/status/page.ts', 404, 'text/plain; charset=utf-8', /nothing here/],
  ['/assets/../errors.ts', 404, 'text/plain; charset=utf-8', /nothing here/],
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
  t.deepEqual(Object.keys(document), [
    'version',
    'peerId',
    'name',
    'zone',
    'uptimeSeconds',
    'multiaddrs',
    'health',
    'membership',
    'origin',
    'charter',
    'registries',
    'trust',
    'store',
    'containerd',
    'traffic',
    'activity',
    'peers',
    'transfers',
    'images',
    'replication',
    'strayErrors',
    'bans',
    'limits',
  ]);
});

for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
  test(`${method} is refused: the endpoint is read-only`, async (t) => {
    const url = await serve(t);
    const answer = await ask(`${url}/api/v1/status`, { method });
    t.is(answer.status, 405);
    t.is(answer.headers['allow'], 'GET, HEAD');
  });
}

for (const [host, status] of [
  ['127.0.0.1:5051', 200],
  ['localhost', 200],
  ['[::1]:80', 200],
  ['evil.example', 421],
  ['127.0.0.1.evil.example', 421],
] as const) {
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

test('the page runs and loads nothing but files of this node, and all of them together are small', async (t) => {
  const url = await serve(t);
  const { headers, body } = await ask(`${url}/`);
  t.is(
    headers['content-security-policy'],
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  t.notRegex(body, /<style|<script(?![^>]* src=)|\son[a-z]+=|style=/);
  const seen = new Map([['/', body.length]]);
  const links = (text: string, from: string): string[] =>
    [...text.matchAll(/(?:src|href)="(\/assets\/[^"]*)"|from '(\.[^']*)'/g)].map(
      ([, absolute, imported]) => absolute ?? new URL(imported!, new URL(from, url)).pathname,
    );
  const load = async (path: string): Promise<void> => {
    if (seen.has(path)) return;
    const file = await ask(`${url}${path}`);
    t.is(file.status, 200, path);
    t.is(file.headers['content-security-policy'], "default-src 'none'");
    t.notRegex(file.body, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/, path);
    seen.set(path, Buffer.byteLength(file.body));
    for (const link of links(file.body, path)) await load(link);
  };
  for (const link of links(body, '/')) await load(link);
  const bytes = [...seen.values()].reduce((sum, size) => sum + size, 0);
  t.true(seen.size > 15, 'modules are found');
  t.true(bytes < 150_000, `${bytes} bytes`);
  t.log(`${seen.size} files, ${bytes} bytes`);
});

test('members are asked while somebody listens to the swarm, and no longer', async (t) => {
  const swarm = new SwarmSample(makeSwarm({ nodes: 3, images: 2 }));
  const url = await serve(t, { swarm });
  const first = await listen(`${url}/api/v1/swarm/events`);
  const whole = await first.next();
  t.true(whole.full);
  t.is(Object.keys(whole.set.nodes ?? {}).length, 3);
  t.is(swarm.looking, 1);
  swarm.change(({ nodes, ...rest }) => ({
    ...rest,
    nodes: Object.fromEntries(
      Object.entries(nodes)
        .slice(0, 2)
        .map(([key, node]) => [key, { ...node, toPeers: 7 }]),
    ),
  }));
  const change = await first.next();
  t.false(change.full);
  t.deepEqual(Object.keys(change.set), ['nodes']);
  t.is(Object.keys(change.set.nodes!).length, 2);
  t.is(change.gone.nodes?.length, 1);
  const second = await listen(`${url}/api/v1/swarm/events`);
  t.is(Object.keys((await second.next()).set.nodes ?? {}).length, 2, 'who comes later is told all of it');
  t.is(swarm.looking, 1);
  await first.close();
  await second.close();
  await waitFor('nobody to look', () => swarm.looking === 0);
  t.pass();
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
    swarm: new SwarmSample(makeSwarm({ nodes: 1, images: 0 })),
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
    onError: () => undefined,
  });
  await t.throwsAsync(second.start(), {
    code: 'port-taken',
    message: new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: another program`),
  });
});
