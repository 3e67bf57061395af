import test from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OriginClients } from '../../../../src/agent/origins/origin-clients.ts';
import type { UpstreamConfig } from '../../../../src/agent/config/config.ts';
import { serve } from '../../../support/http-server.ts';
import { MemorySwarm } from '../../../support/memory-network.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const LIMITS = { upload: 0, download: 0, host: 0, origin: 0, originConnections: 4, bulkThreads: 1, members: 256, clients: 4096 };

test.serial('a login of this host goes to a learned origin only where the configuration names it with that scheme', async (t) => {
  const seen: (string | undefined)[] = [];
  const server = await serve(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end();
  });
  const folder = tempDir(t);
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({ auths: { [new URL(server.url).host]: { auth: Buffer.from('puller:secret').toString('base64') } } }),
  );
  const before = process.env['DOCKER_CONFIG'];
  process.env['DOCKER_CONFIG'] = folder;
  t.teardown(() => {
    if (before === undefined) delete process.env['DOCKER_CONFIG'];
    else process.env['DOCKER_CONFIG'] = before;
  });
  const network = await new MemorySwarm().join();
  const named = (url: string): UpstreamConfig => ({ name: 'r.example', url, login: undefined, ca: undefined });
  for (const [upstreams, expected] of [
    [[], undefined],
    [[named(server.url.replace('http:', 'https:'))], undefined],
    [[named(server.url)], `Basic ${Buffer.from('puller:secret').toString('base64')}`],
  ] as const) {
    seen.length = 0;
    const clients = new OriginClients(
      {
        originUsername: undefined,
        originPasswordFile: undefined,
        originCa: undefined,
        upstreams,
        limits: LIMITS,
        allow: { prefetch: true, pin: false, purge: false, redirects: [] },
      },
      network,
      { originRate: undefined },
      () => {
        throw new Error('no member is read here');
      },
    );
    const origin = clients.learned(server.url);
    const error = await t.throwsAsync(origin.resolveTag('app', 'v1'), { code: 'origin-unauthorized' });
    if (expected === undefined) t.regex(error?.message ?? '', /name it in the configuration of this node/);
    t.is(seen.at(-1), expected);
    await origin.close();
    await clients.close();
  }
});
