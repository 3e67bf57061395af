import { randomBytes } from 'node:crypto';
import test from 'ava';
import { REGISTRY_USER, startDockerRegistry } from '../../support/docker-registry.ts';
import { type Fault, startFaultProxy } from '../../support/fault-proxy.ts';
import { pushImage } from '../../support/registry-content.ts';
import { requireTool } from '../../support/require-tool.ts';
import { startTokenServer } from '../../support/token-server.ts';

const layer = randomBytes(300_000);

/** @param leaveAfter bytes after which the reader goes away */
async function read(url: string, leaveAfter = Number.POSITIVE_INFINITY): Promise<{ status: number; bytes: Buffer; failed: boolean }> {
  const reader = new AbortController();
  const response = await fetch(url, { signal: reader.signal });
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      length += chunks.at(-1)!.length;
      if (length >= leaveAfter) reader.abort();
    }
    return { status: response.status, bytes: Buffer.concat(chunks), failed: false };
  } catch {
    return { status: response.status, bytes: Buffer.concat(chunks), failed: true };
  }
}

test('the fault proxy passes blobs through, counts them, and does each harm', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const registry = await startDockerRegistry(t);
  const proxy = await startFaultProxy(t, registry.url);
  const image = await pushImage(proxy, 'a/b', 'v1', [layer]);
  const url = `${proxy.url}/v2/a/b/blobs/${image.layers[0]!.digest.toString()}`;
  t.deepEqual((await read(url)).bytes, layer);
  t.is(proxy.blobBytes, layer.length);
  await registry.waitForRequests(({ method, url }) => method === 'GET' && url.includes('/blobs/sha256'), 1);
  t.is(registry.blobBytes(), layer.length);

  const once = async (fault: Fault): ReturnType<typeof read> => {
    proxy.inject(fault, { times: 1 });
    return read(url, fault.kind === 'stall' ? fault.after : undefined);
  };
  t.like(await once({ kind: 'cut', after: 1000 }), { failed: true, bytes: layer.subarray(0, 1000) });
  t.like(await once({ kind: 'stall', after: 1000 }), { failed: true, bytes: layer.subarray(0, 1000) });
  t.like(await once({ kind: 'short', bytes: 1000 }), { failed: false, bytes: layer.subarray(0, 1000) });
  t.is((await once({ kind: 'overlong', extra: 7 })).bytes.length, layer.length + 7);
  t.false((await once({ kind: 'corrupt', at: 5 })).bytes.equals(layer));
  t.is((await once({ kind: 'status', status: 503 })).status, 503);
  await t.throwsAsync(once({ kind: 'reset' }));
  proxy.inject({ kind: 'hang' }, { times: 1 });
  await t.throwsAsync(fetch(url, { signal: AbortSignal.timeout(200) }));
  t.deepEqual((await read(url)).bytes, layer, 'and then all is well again');
});

test('the registry asks for a password or a token when it was told to', async (t) => {
  if (!requireTool(t, 'docker-registry', 'openssl')) return;
  const basic = await startDockerRegistry(t, { basicAuth: true });
  t.is((await fetch(`${basic.url}/v2/`)).status, 401);
  const authorization = `Basic ${Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64')}`;
  await t.notThrowsAsync(pushImage({ url: basic.url, authorization }, 'a', 'v1'));

  const tokens = await startTokenServer(t);
  const registry = await startDockerRegistry(t, { tokenAuth: tokens.registryAuth });
  t.regex((await fetch(`${registry.url}/v2/`)).headers.get('www-authenticate') ?? '', /^Bearer realm=/);
  const answer = await fetch(`${tokens.realm}?service=test-registry&scope=repository:a:pull,push`, { headers: { authorization } });
  const { token } = (await answer.json()) as { token: string };
  await t.notThrowsAsync(pushImage({ url: registry.url, authorization: `Bearer ${token}` }, 'a', 'v1'));
});
