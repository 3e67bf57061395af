import test, { type ExecutionContext } from 'ava';
import { anonymous } from '../../../src/origin/credentials.ts';
import type { RegistryOptions } from '../../../src/origin/registry-options.ts';
import { RegistryOrigin } from '../../../src/origin/registry-origin.ts';
import { type CertificateAuthority, makeCertificateAuthority } from '../../support/certificate.ts';
import { type DockerRegistry, startDockerRegistry } from '../../support/docker-registry.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { serve } from '../../support/http-server.ts';
import { pushImage } from '../../support/registry-content.ts';
import { requireTool } from '../../support/require-tool.ts';
import { TestClock } from '../../support/test-clock.ts';

function makeOrigin(t: ExecutionContext, url: string, options: Partial<RegistryOptions> = {}): RegistryOrigin {
  const origin = new RegistryOrigin({ url, credentials: anonymous, clock: new TestClock(), ...options });
  t.teardown(() => origin.close());
  return origin;
}

async function setUp(t: ExecutionContext): Promise<{ registry: DockerRegistry; ca: CertificateAuthority } | undefined> {
  if (!requireTool(t, 'docker-registry', 'openssl')) return undefined;
  const ca = await makeCertificateAuthority(t);
  return { registry: await startDockerRegistry(t), ca };
}

test('a registry whose authority is given is trusted, and no other', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { registry, ca } = setup;
  const proxy = await startFaultProxy(t, registry.url, { tls: await ca.issue('registry') });
  const image = await pushImage(registry, 'app', 'v1');
  const origin = makeOrigin(t, proxy.url, { caFile: ca.certFile });
  t.true((await origin.resolveTag('app', 'v1')).equals(image.digest));

  const other = await makeCertificateAuthority(t);
  for (const options of [{}, { caFile: other.certFile }]) {
    const strict = makeOrigin(t, proxy.url, options);
    await t.throwsAsync(strict.resolveTag('app', 'v1'), { code: 'origin-unreachable', message: /certificate is not trusted.*originCa/ });
    t.is((await strict.probe()).state, 'unreachable');
  }
});

test('a client certificate is shown to a registry that asks for one', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { ca } = setup;
  const { keyFile, certFile } = await ca.issue('registry');
  const registry = await startDockerRegistry(t, { tls: { key: keyFile, cert: certFile, clientCa: ca.certFile } });
  await t.throwsAsync(makeOrigin(t, registry.url, { caFile: ca.certFile }).tags('app'), { code: 'origin-unreachable' });
  const client = await ca.issue('client');
  const clientCert = { certFile: client.certFile, keyFile: client.keyFile };
  await t.throwsAsync(makeOrigin(t, registry.url, { caFile: ca.certFile, clientCert }).tags('app'), { code: 'not-found' });
});

test('https is not spoken to what speaks http, and the error says so', async (t) => {
  const server = await serve(t, (_request, response) => {
    response.end('{}');
  });
  await t.throwsAsync(makeOrigin(t, server.url.replace('http:', 'https:')).tags('app'), {
    code: 'origin-unreachable',
    message: /does not speak TLS.*http:\/\//,
  });
});

test('over TLS neither a redirect nor a token service without TLS is followed', async (t) => {
  const setup = await setUp(t);
  if (setup === undefined) return;
  const { registry, ca } = setup;
  let reached = 0;
  const plain = await serve(t, (_request, response) => {
    reached += 1;
    response.end('{"token":"x"}');
  });
  const proxy = await startFaultProxy(t, registry.url, { tls: await ca.issue('registry') });
  const origin = makeOrigin(t, proxy.url, { caFile: ca.certFile });
  proxy.inject({ kind: 'redirect', to: plain.url }, { times: 1 });
  await t.throwsAsync(origin.tags('app'), { code: 'origin-denied', message: /without TLS/ });
  proxy.inject({ kind: 'status', status: 401, headers: { 'www-authenticate': `Bearer realm="${plain.url}/token"` } }, { times: 1 });
  await t.throwsAsync(origin.tags('app'), { code: 'origin-unauthorized', message: /without TLS/ });
  t.is(reached, 0);
});

test('a file of authorities that is missing or none is config-invalid', (t) => {
  for (const caFile of ['/nonexistent/ca.crt', import.meta.filename.replace('tls.test.ts', 'conformance.ts')]) {
    t.throws(() => new RegistryOrigin({ url: 'https://registry.example', caFile }), { code: 'config-invalid' });
  }
});
