import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { CleanupStack, type Cleanup } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { pushLayout } from '../support/images.ts';
import { startAgent } from '../support/layerswarm.ts';
import { OciLayout } from '../support/oci-layout.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';
import { skopeoOk } from '../support/skopeo.ts';
import { tempDir } from '../support/temp-dir.ts';

const USAGE = `Carries a repository from one registry to another with layerswarm and with "skopeo sync", side by side, and counts what goes over the
wire. Three times each: to an empty target, again, and after one more tag that shares all layers but one, in another repository.
  node test/bench/replicate.ts [--layers 6] [--mib 16]`;

const OPTIONS = { options: { layers: { type: 'string', default: '6' }, mib: { type: 'string', default: '16' } } } as const;
const { layerCount, layerBytes } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  layerCount: readNumber('--layers', values.layers, 1),
  layerBytes: readNumber('--mib', values.mib, 1) * 1024 * 1024,
}));

interface Wire {
  readonly url: string;
  readonly host: string;
  /** Bytes since the last call, from and to the client. */
  take(): { sent: number; received: number };
}

/** A TCP relay that counts. */
async function relay(cleanup: Cleanup, port: number): Promise<Wire> {
  let sent = 0;
  let received = 0;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    client
      .on('data', (bytes) => {
        sent += bytes.length;
      })
      .pipe(upstream);
    upstream
      .on('data', (bytes) => {
        received += bytes.length;
      })
      .pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanup.teardown(() => {
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}`,
    take() {
      const taken = { sent, received };
      sent = 0;
      received = 0;
      return taken;
    },
  };
}

async function main(cleanup: Cleanup): Promise<void> {
  const [origin, ours, theirs] = [
    await startDockerRegistry(cleanup),
    await startDockerRegistry(cleanup),
    await startDockerRegistry(cleanup),
  ];
  const [toOrigin, toOurs, toTheirs] = [
    await relay(cleanup, origin.port),
    await relay(cleanup, ours.port),
    await relay(cleanup, theirs.port),
  ];
  const layout = await OciLayout.create(join(tempDir(cleanup, 'img'), 'layout'));
  const layers = [];
  for (let i = 0; i < layerCount; i++) layers.push(await layout.addLayer({ random: randomBytes(layerBytes) }, 'none'));
  await layout.addImage({ layers, tag: 'v1' });
  await layout.addImage({ layers: [...layers.slice(1), await layout.addLayer({ random: randomBytes(layerBytes) }, 'none')], tag: 'v2' });
  await pushLayout({ url: origin.url }, layout, 'v1', 'team/app');

  const folder = tempDir(cleanup, 'conf');
  const config = join(folder, 'layerswarm.yaml');
  writeFileSync(
    config,
    stringify({
      replication: { targets: [{ name: 'ours', url: toOurs.url }], policies: [{ name: 'all', targets: ['ours'], onEvent: false }] },
    }),
  );
  const agent = await startAgent(cleanup, { origin: toOrigin.url, args: ['--config', config] });
  const sync = join(folder, 'sync.yaml');

  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const measure = async (what: string, who: string, target: Wire, run: () => Promise<unknown>): Promise<void> => {
    toOrigin.take();
    target.take();
    const started = performance.now();
    await run();
    const seconds = (performance.now() - started) / 1000;
    console.log(`| ${what} | ${who} | ${megabytes(toOrigin.take().received)} | ${megabytes(target.take().sent)} | ${seconds.toFixed(1)} |`);
  };
  const skopeo = async (repositories: readonly string[]): Promise<void> => {
    writeFileSync(
      sync,
      stringify({ [toOrigin.host]: { 'tls-verify': false, images: Object.fromEntries(repositories.map((name) => [name, []])) } }),
    );
    mkdirSync(folder, { recursive: true });
    await skopeoOk(['sync', '--all', '--src', 'yaml', '--dest', 'docker', '--dest-tls-verify=false', sync, `${toTheirs.host}/copy`]);
  };

  console.log(
    `An image of ${layerCount} layers of ${megabytes(layerBytes)} MB\n\n| | | read from the origin, MB | sent to the target, MB | s |\n|---|---|---|---|---|`,
  );
  for (const what of ['empty target', 'nothing new']) {
    await measure(what, 'layerswarm', toOurs, () => agent.cliOk(['replicate', 'run']));
    await measure(what, 'skopeo sync', toTheirs, () => skopeo(['team/app']));
  }
  await pushLayout({ url: origin.url }, layout, 'v2', 'team/second');
  await measure('one new layer, other repository', 'layerswarm', toOurs, () => agent.cliOk(['replicate', 'run']));
  await measure('one new layer, other repository', 'skopeo sync', toTheirs, () => skopeo(['team/app', 'team/second']));
}

const cleanup = new CleanupStack();
try {
  await main(cleanup);
} finally {
  await cleanup.undo();
}
