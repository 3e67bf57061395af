import test from 'ava';
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isBlobRead, startDockerRegistry } from '../support/docker-registry.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { type Agent, bootstrapOf, startAgent } from '../support/layerswarm.ts';
import { fileDigest } from '../support/oci-layout.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';
import { blobsForThreads } from '../support/thread-blobs.ts';
import { waitFor } from '../support/wait-for.ts';

const MIB = 1 << 20;

interface Socket {
  readonly port: number;
  readonly state: 'listening' | 'open' | 'other';
}

/** Of IPv4, at its own end. */
function socketsOf({ info: { pid } }: Agent): Socket[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        // closed meanwhile
        return [];
      }
    }),
  );
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .slice(1)
    .flatMap((line): Socket[] => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (local === undefined || !inodes.has(inode!)) return [];
      return [{ port: Number.parseInt(local.split(':')[1]!, 16), state: state === '0A' ? 'listening' : state === '01' ? 'open' : 'other' }];
    });
}

test('threads of one node serve and fetch the layers of an image over one port, also where others have more or fewer', async (t) => {
  t.timeout(180_000);
  const seed = await startAgent(t, { origin: 'embedded', args: ['--limits-bulk-threads', '2'] });
  const image = await pushImage({ url: seed.registry }, 'team/app', 'v1', [...blobsForThreads(2, 3 * MIB), ...blobsForThreads(3, 2 * MIB)]);
  const total = image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);
  for (const threads of [2, 1, 3]) {
    const taker = await startAgent(t, { bootstrap: bootstrapOf(seed), args: ['--limits-bulk-threads', String(threads)] });
    await taker.cliOk(['pull', 'team/app:v1']);
    for (const { digest } of image.layers) t.is(await fileDigest(taker.blobPath(digest.toString())), digest.toString());
    await taker.cliOk(['verify']);
    const { traffic } = await taker.status();
    t.true(traffic.fromPeersBytes + traffic.fromOriginBytes >= total);
    await waitFor('what the seed gave to be counted', async () => (await seed.status()).traffic.toPeersBytes >= total);
  }
  const listening = Map.groupBy(
    socketsOf(seed).filter(({ state }) => state === 'listening'),
    ({ port }) => port,
  );
  // Registry, status, members, and one for both threads.
  t.deepEqual(
    Array.from(listening.values(), (sockets) => sockets.length).sort((a, b) => a - b),
    [1, 1, 1, 2],
  );
  const bulk = [...listening.keys()].find((port) => listening.get(port)!.length === 2);
  t.true(socketsOf(seed).filter(({ port, state }) => port === bulk && state === 'open').length >= 2, 'a lane to each thread');
});

test('killed in the middle of a pull and started again with another number of threads, a node keeps what it had', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  t.timeout(180_000);
  const registry = await startDockerRegistry(t);
  const image = await pushImage(registry, 'team/big', 'v1', blobsForThreads(2, 24 * MIB));
  const layers = image.layers.map(({ digest }) => digest.toString());
  const origin = await startFaultProxy(t, registry.url);
  const heal = origin.inject({ kind: 'slow', bytesPerSecond: MIB / 4 });
  const agent = await startAgent(t, { origin: origin.url, args: ['--limits-bulk-threads', '2'] });
  const pull = agent.cli(['pull', 'team/big:v1']);
  const both = async (bytes: number): Promise<void> => {
    await agent.waitForStatus(
      `${bytes} bytes of both layers`,
      ({ transfers }) => layers.every((layer) => transfers.some(({ digest, haveBytes }) => digest === layer && haveBytes >= bytes)),
      120_000,
    );
  };
  await both(5 * MIB);
  const since = Date.now();
  await both(9 * MIB);
  const hold = origin.inject({ kind: 'hang' }, { match: isBlobRead });
  await waitFor('the first part to be noted on disk', () =>
    layers.every((layer) => statSync(join(agent.data, 'partial', `${layer.replace(':', '-')}.state`)).mtimeMs > since),
  );
  await agent.kill();
  t.not((await pull).code, 0);
  heal();
  hold();
  const read = origin.blobBytes;
  const again = await startAgent(t, { origin: origin.url, data: agent.data, args: ['--limits-bulk-threads', '3'] });
  await again.cliOk(['pull', 'team/big:v1']);
  for (const layer of layers) t.is(await fileDigest(again.blobPath(layer)), layer);
  const fetched = origin.blobBytes - read;
  t.true(fetched <= 41 * MIB, `${fetched} bytes after the restart`);
  await again.cliOk(['verify']);
});
