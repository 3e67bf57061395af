import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Digest } from '../../../src/oci/digest.ts';
import { anonymous, type CredentialsProvider, passwordFileCredentials, staticCredentials } from '../../../src/origin/credentials.ts';
import type { RegistryOptions } from '../../../src/origin/registry-options.ts';
import { RegistryOrigin } from '../../../src/origin/registry-origin.ts';
import { REGISTRY_USER, startDockerRegistry } from '../../support/docker-registry.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import { serve } from '../../support/http-server.ts';
import { pushImage, type PushedImage } from '../../support/registry-content.ts';
import { requireTool } from '../../support/require-tool.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { TestClock } from '../../support/test-clock.ts';
import { startTokenServer, type TokenRequest, type TokenServer, type TokenServerOptions } from '../../support/token-server.ts';
import { collect } from './conformance.ts';

const { username, password } = REGISTRY_USER;
const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
const login = staticCredentials(username, password);
const layer = randomBytes(300_000);
const CHALLENGE_401 = (realm: string): Record<string, string> => ({
  'www-authenticate': `Bearer realm="${realm}",service="test-registry"`,
});

function makeOrigin(
  t: ExecutionContext,
  url: string,
  credentials: CredentialsProvider,
  options: Partial<RegistryOptions> = {},
): RegistryOrigin {
  const origin = new RegistryOrigin({ url, credentials, ...options });
  t.teardown(() => origin.close());
  return origin;
}

interface TokenSetup {
  readonly tokens: TokenServer;
  readonly proxy: FaultProxy;
  readonly image: PushedImage;
  /** Requests for tokens since the image was pushed. */
  readonly asked: () => readonly TokenRequest[];
}

async function tokenRegistry(t: ExecutionContext, options: TokenServerOptions = {}): Promise<TokenSetup | undefined> {
  if (!requireTool(t, 'docker-registry', 'openssl')) return undefined;
  const tokens = await startTokenServer(t, options);
  const registry = await startDockerRegistry(t, { tokenAuth: tokens.registryAuth });
  const proxy = await startFaultProxy(t, registry.url);
  const answer = await fetch(`${tokens.realm}?service=test-registry&scope=repository:team/app:pull,push`, {
    headers: { authorization: basic },
  });
  const { token, access_token: accessToken } = (await answer.json()) as { token?: string; access_token?: string };
  const image = await pushImage({ url: registry.url, authorization: `Bearer ${token ?? accessToken ?? ''}` }, 'team/app', 'v1', [layer]);
  return { tokens, proxy, image, asked: () => tokens.requests.slice(1) };
}

test('a token is fetched once for all who wait for it, and used until it is due', async (t) => {
  const setup = await tokenRegistry(t, { expiresIn: 100 });
  if (setup === undefined) return;
  const { asked, proxy, image } = setup;
  const clock = new TestClock();
  const origin = makeOrigin(t, proxy.url, login, { clock });
  await Promise.all(Array.from({ length: 10 }, () => origin.resolveTag('team/app', 'v1')));
  t.deepEqual(asked(), [{ method: 'GET', scopes: ['repository:team/app:pull'], authorization: basic, grantType: undefined }]);
  clock.advance(79_000);
  await origin.manifest('team/app', image.digest);
  t.is(asked().length, 1);
  const refused = proxy.requests.filter(({ status }) => status === 401).length;
  clock.advance(2_000);
  await origin.manifest('team/app', image.digest);
  t.is(asked().length, 2, 'renewed before it is refused');
  t.is(proxy.requests.filter(({ status }) => status === 401).length, refused);
  t.is(origin.health.state, 'ok');
});

test('a token whose life is not told is used for 60 seconds, and access_token means the same', async (t) => {
  const setup = await tokenRegistry(t, { expiresIn: null, field: 'access_token' });
  if (setup === undefined) return;
  const { asked, proxy } = setup;
  const clock = new TestClock();
  const origin = makeOrigin(t, proxy.url, login, { clock });
  await origin.resolveTag('team/app', 'v1');
  clock.advance(47_000);
  await origin.resolveTag('team/app', 'v1');
  t.is(asked().length, 1);
  clock.advance(2_000);
  await origin.resolveTag('team/app', 'v1');
  t.is(asked().length, 2);
});

test('strangers get a token without a login where the registry is public', async (t) => {
  const setup = await tokenRegistry(t, { allow: 'anonymous' });
  if (setup === undefined) return;
  const origin = makeOrigin(t, setup.proxy.url, anonymous);
  await t.notThrowsAsync(origin.resolveTag('team/app', 'v1'));
  t.is(setup.asked().at(-1)?.authorization, undefined);
});

test('a token that expires in the middle of a download is replaced, and the download goes on', async (t) => {
  const setup = await tokenRegistry(t);
  if (setup === undefined) return;
  const { tokens, asked, proxy, image } = setup;
  const origin = makeOrigin(t, proxy.url, login);
  const isBlob = ({ url }: { url: string }): boolean => url.includes('/blobs/');
  await origin.resolveTag('team/app', 'v1');
  const before = asked().length;
  proxy.inject({ kind: 'cut', after: 100_000 }, { match: isBlob, times: 1 });
  proxy.inject(
    { kind: 'status', status: 401, headers: CHALLENGE_401(tokens.realm) },
    { match: ({ url, headers }) => isBlob({ url }) && headers.range === 'bytes=100000-299999', times: 1 },
  );
  t.true((await collect(origin.readBlob('team/app', image.layers[0]!.digest, { start: 0, end: layer.length }))).equals(layer));
  t.is(asked().length, before + 1);
  const sent = proxy.requests.filter(isBlob).map(({ headers }) => headers.authorization);
  t.is(sent.length, 3);
  t.not(sent[1], sent[2]);
});

test('a refresh token is exchanged by POST, and a wrong one is unauthorized', async (t) => {
  const setup = await tokenRegistry(t, { refreshToken: 'idt' });
  if (setup === undefined) return;
  const provider = (token: string): CredentialsProvider => ({
    source: 'test',
    get: async () => ({ kind: 'refresh-token', username: 'u', token }),
  });
  await t.notThrowsAsync(makeOrigin(t, setup.proxy.url, provider('idt')).resolveTag('team/app', 'v1'));
  t.like(setup.asked().at(-1), { method: 'POST', grantType: 'refresh_token', scopes: ['repository:team/app:pull'] });
  await t.throwsAsync(makeOrigin(t, setup.proxy.url, provider('other')).resolveTag('team/app', 'v1'), { code: 'origin-unauthorized' });
});

test('a wrong password is unauthorized in the error and in the health, once, and without the password', async (t) => {
  const setup = await tokenRegistry(t);
  if (setup === undefined) return;
  const registry = await startDockerRegistry(t, { basicAuth: true });
  for (const url of [setup.proxy.url, registry.url]) {
    const origin = makeOrigin(t, url, staticCredentials(username, 'geheim'));
    const error = await t.throwsAsync(origin.resolveTag('team/app', 'v1'), { code: 'origin-unauthorized' });
    t.notRegex(error?.message ?? '', /geheim/);
    t.is(origin.health.state, 'unauthorized');
    t.is((await origin.probe()).state, 'unauthorized');
    const stranger = makeOrigin(t, url, anonymous);
    await t.throwsAsync(stranger.resolveTag('team/app', 'v1'), { code: 'origin-unauthorized' });
    t.is((await stranger.probe()).state, 'unauthorized');
  }
  t.is(setup.asked().length, 4, 'no password is tried twice by one request');
});

test('Basic: the login goes with every request after the first, and a changed password file is taken up', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const registry = await startDockerRegistry(t, { basicAuth: true });
  const proxy = await startFaultProxy(t, registry.url);
  const image = await pushImage({ url: registry.url, authorization: basic }, 'app', 'v1', [layer]);
  const file = join(tempDir(t), 'password');
  writeFileSync(file, 'wrong');
  const origin = makeOrigin(t, proxy.url, passwordFileCredentials(username, file));
  await t.throwsAsync(origin.resolveTag('app', 'v1'), { code: 'origin-unauthorized' });
  writeFileSync(file, `${password}\n`);
  t.true((await origin.resolveTag('app', 'v1')).equals(image.digest));
  t.is(origin.health.state, 'ok');
  const before = proxy.requests.length;
  await origin.manifest('app', image.digest);
  t.true((await collect(origin.readBlob('app', image.layers[0]!.digest, { start: 0, end: layer.length }))).equals(layer));
  t.deepEqual(
    proxy.requests.slice(before).map(({ headers, status }) => [headers.authorization, status]),
    [
      [basic, 200],
      [basic, 206],
    ],
  );
});

test('a redirect to another origin goes without Authorization and with Range; within one it keeps both', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const registry = await startDockerRegistry(t, { basicAuth: true });
  const proxy = await startFaultProxy(t, registry.url);
  const seen: [string | undefined, string | undefined][] = [];
  const storage = await serve(t, (request, response) => {
    seen.push([request.headers.authorization, request.headers.range]);
    const [start = 0, last = 0] = (/(\d+)-(\d+)/.exec(request.headers.range ?? '')?.slice(1) ?? []).map(Number);
    response.writeHead(206, { 'content-range': `bytes ${start}-${last}/${layer.length}` }).end(layer.subarray(start, last + 1));
  });
  const image = await pushImage({ url: registry.url, authorization: basic }, 'app', 'v1', [layer]);
  const { digest } = image.layers[0]!;
  const origin = makeOrigin(t, proxy.url, login);
  await origin.resolveTag('app', 'v1');

  const isBlob = ({ url }: { url: string }): boolean => url.includes('/blobs/');
  proxy.inject({ kind: 'redirect', to: (url) => `${url}?again` }, { match: ({ url }) => isBlob({ url }) && !url.includes('?'), times: 1 });
  t.deepEqual(await collect(origin.readBlob('app', digest, { start: 5, end: 10 })), layer.subarray(5, 10));
  t.deepEqual(
    proxy.requests.filter(isBlob).map(({ headers }) => [headers.authorization, headers.range]),
    [
      [basic, 'bytes=5-9'],
      [basic, 'bytes=5-9'],
    ],
  );

  const asked = proxy.requests.length;
  proxy.inject({ kind: 'redirect', to: `${storage.url}/signed` }, { match: isBlob });
  for (const start of [0, 100, 200])
    t.deepEqual(await collect(origin.readBlob('app', digest, { start, end: start + 50 })), layer.subarray(start, start + 50));
  t.deepEqual(seen, [
    [undefined, 'bytes=0-49'],
    [undefined, 'bytes=100-149'],
    [undefined, 'bytes=200-249'],
  ]);
  t.is(proxy.requests.length, asked + 1, 'the location is remembered');
});

test('a redirected location that ran out is asked for again, once', async (t) => {
  let signature = 1;
  let asked = 0;
  const storage = await serve(t, (request, response) => {
    if (request.url !== `/signed?${signature}`) response.writeHead(403).end('<Error>Request has expired</Error>');
    else response.writeHead(206, { 'content-range': 'bytes 0-4/5' }).end('hello');
  });
  let offered = (): number => signature;
  const registry = await serve(t, (_request, response) => {
    asked += 1;
    response.writeHead(307, { location: `${storage.url}/signed?${offered()}` }).end();
  });
  const origin = makeOrigin(t, registry.url, anonymous);
  const digest = Digest.of(Buffer.from('hello'));
  const read = (): Promise<Buffer> => collect(origin.readBlob('app', digest, { start: 0, end: 5 }));
  t.is((await read()).toString(), 'hello');
  signature = 2;
  t.is((await read()).toString(), 'hello');
  t.is(asked, 2);
  offered = () => 0;
  signature = 3;
  await t.throwsAsync(read(), { code: 'origin-denied' });
  t.is(asked, 3, 'no endless circle');
});

test('redirects end after five', async (t) => {
  // Each adds a letter. They are not counted: what a busy machine answers too late is asked for anew.
  const hops = new Set<string>();
  const server = await serve(t, (request, response) => {
    const path = request.url ?? '';
    hops.add(path);
    response.writeHead(302, { location: `${path}x` }).end();
  });
  await t.throwsAsync(makeOrigin(t, server.url, anonymous).tags('app'), { code: 'origin-denied', message: /more than 5/ });
  t.is(hops.size, 6);
});

test('a storage that is out of order does not make the registry unreachable', async (t) => {
  const storage = await serve(t, (request) => request.socket.destroy());
  const registry = await serve(t, (request, response) => {
    if (request.url?.includes('/blobs/') === true) response.writeHead(307, { location: storage.url }).end();
    else response.writeHead(200).end('{"tags":["a"]}');
  });
  const origin = makeOrigin(t, registry.url, anonymous, { clock: new TestClock() });
  await origin.tags('app');
  await t.throwsAsync(collect(origin.readBlob('app', Digest.of(layer), { start: 0, end: 5 })), { code: 'origin-unreachable' });
  t.is(origin.health.state, 'ok');
});

test('challenges that ask for what is not supported, or for too much trust, are refused', async (t) => {
  let challenge = '';
  const server = await serve(t, (_request, response) => {
    response.writeHead(401, { 'www-authenticate': challenge }).end();
  });
  for (challenge of [
    'Negotiate',
    'Bearer',
    'Bearer realm="not a url"',
    'Bearer realm="ftp://x/"',
    'Bearer realm="http://u:p@127.0.0.1/"',
    '',
  ]) {
    await t.throwsAsync(makeOrigin(t, server.url, login).tags('app'), { code: 'origin-unauthorized' }, challenge);
  }
});

test('a token service that answers nonsense is unauthorized, one that is down is unreachable', async (t) => {
  let answer: readonly [number, string] = [200, ''];
  const tokens = await serve(t, (_request, response) => {
    response.writeHead(answer[0]).end(answer[1]);
  });
  const server = await serve(t, (_request, response) => {
    response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.url}/"` }).end();
  });
  const tags = (): Promise<string[]> => makeOrigin(t, server.url, login, { clock: new TestClock() }).tags('app');
  for (answer of [
    [200, 'no json'],
    [200, '{}'],
    [200, '{"token":"with\\nbreak"}'],
    [200, '{"token":""}'],
    [403, ''],
    [302, ''],
  ] as const)
    await t.throwsAsync(tags(), { code: 'origin-unauthorized' }, answer[1]);
  answer = [200, '{"token":"refused-by-the-registry"}'];
  await t.throwsAsync(tags(), { code: 'origin-unauthorized' });
  answer = [503, ''];
  await t.throwsAsync(tags(), { code: 'origin-unreachable', message: /token service/ });
  await tokens.close();
  await t.throwsAsync(tags(), { code: 'origin-unreachable', message: /token service/ });
});

for (const status of [400, 403]) {
  test(`a token that ran out is renewed where the registry says ${status} to it, and a refusal stays one`, async (t) => {
    const given: string[] = [];
    const tokens = await serve(t, (_request, response) => {
      given.push(`t${given.length}`);
      response.end(JSON.stringify({ token: given.at(-1), expires_in: 3600 }));
    });
    let valid = 't0';
    const registry = await serve(t, (request, response) => {
      const { authorization } = request.headers;
      if (authorization === undefined) response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.url}/"` }).end();
      else if (authorization === `Bearer ${valid}`) response.end('{"tags":["a"]}');
      else response.writeHead(status).end();
    });
    const clock = new TestClock();
    const origin = makeOrigin(t, registry.url, anonymous, { clock });
    t.deepEqual(await origin.tags('app'), ['a']);
    valid = 't1';
    clock.advance(10_000);
    t.deepEqual(await origin.tags('app'), ['a']);
    valid = 'none';
    await t.throwsAsync(origin.tags('app'), { code: 'origin-denied' });
    t.is(given.length, 2, 'a new token is not renewed');
    clock.advance(10_000);
    await t.throwsAsync(origin.tags('app'), { code: 'origin-denied' });
    t.is(given.length, 3);
  });
}

test("a challenge after a redirect is answered as of the registry there, with the login for its name and never the first one's", async (t) => {
  const seen: (string | undefined)[] = [];
  const asked: URL[] = [];
  const blob = Buffer.from('hello');
  const second = await serve(t, (request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    if (url.pathname === '/token') {
      asked.push(url);
      seen.push(request.headers.authorization);
      response.end('{"token":"second"}');
    } else if (request.headers.authorization !== 'Bearer second') {
      seen.push(request.headers.authorization);
      response
        .writeHead(401, {
          'www-authenticate': `Bearer realm="http://${request.headers.host ?? ''}/token",service="s",scope="repository:org/app:pull"`,
        })
        .end();
    } else if (url.pathname.includes('/tags/')) response.end('{"tags":["v1"]}');
    else response.writeHead(206, { 'content-range': 'bytes 0-4/5' }).end(blob);
  });
  const first = await serve(t, (request, response) => {
    if (request.headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="first"' }).end();
    else response.writeHead(307, { location: `${second.url}${(request.url ?? '').replace('/v2/app/', '/v2/org/app/')}` }).end();
  });
  const names: string[] = [];
  const login2 = staticCredentials('user2', 'second-password');
  const origin = makeOrigin(t, first.url, login, {
    credentialsFor: ({ host }) => {
      names.push(host);
      return login2;
    },
  });
  t.deepEqual(await origin.tags('app'), ['v1']);
  const digest = Digest.of(blob);
  t.is((await collect(origin.readBlob('app', digest, { start: 0, end: 5 }))).toString(), 'hello');
  t.is((await collect(origin.readBlob('app', digest, { start: 0, end: 5 }))).toString(), 'hello');
  t.deepEqual(names, [second.host]);
  t.deepEqual(
    asked.map(({ searchParams }) => searchParams.getAll('scope')),
    [['repository:org/app:pull']],
  );
  t.deepEqual(
    seen,
    [undefined, `Basic ${Buffer.from('user2:second-password').toString('base64')}`],
    'nothing of the first login, and one token for all',
  );
});

test('a registry that is redirected to and takes no login says which one it is', async (t) => {
  const second = await serve(t, (_request, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="second"' }).end();
  });
  const first = await serve(t, (request, response) => {
    response.writeHead(307, { location: `${second.url}${request.url ?? ''}` }).end();
  });
  const origin = makeOrigin(t, first.url, login, { credentialsFor: () => anonymous });
  const error = await t.throwsAsync(origin.tags('app'), { code: 'origin-unauthorized' });
  t.true(error?.message.includes(second.host), error?.message);
  t.not(origin.health.state, 'unauthorized', 'the first one is well');
});

for (const status of [400, 403, 404, 405, 500]) {
  test(`a HEAD of a manifest that is answered ${status} where GET is answered 200 is no refusal`, async (t) => {
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        config: { mediaType: 'application/x', digest: Digest.of(layer), size: layer.length },
        layers: [],
      }),
    );
    const registry = await serve(t, (request, response) => {
      if (request.method === 'HEAD') response.writeHead(status).end();
      else response.end(body);
    });
    const origin = makeOrigin(t, registry.url, anonymous);
    t.is((await origin.resolveTag('app', 'v1')).toString(), Digest.of(body).toString());
  });
}
