import test from 'ava';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isBlobRead, startDockerRegistry } from '../support/docker-registry.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { type Agent, bootstrapOf, startAgent, type Status } from '../support/layerswarm.ts';
import { fileDigest } from '../support/oci-layout.ts';
import { getBlob } from '../support/registry-client.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';

const MIB = 1 << 20;
const SIZE = 48 * MIB;
/** A request that was cut off is sent again from the beginning of its extent, a little more than was missing. */
const SLACK = 2 * MIB;

test('killed with SIGKILL in the middle of a pull and started again, a node fetches only what was missing', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  t.timeout(180_000);
  const registry = await startDockerRegistry(t);
  const image = await pushImage(registry, 'team/big', 'v1', [randomBytes(SIZE)]);
  const layer = image.layers[0]!.digest.toString();
  const origin = await startFaultProxy(t, registry.url);
  const heal = origin.inject({ kind: 'slow', bytesPerSecond: 2 * MIB });

  const agent = await startAgent(t, { origin: origin.url });
  const pull = agent.cli(['pull', 'team/big:v1']);
  await halfway(agent, layer);
  // Nothing more comes, and what came is on its way to the disk: the node says what it has in the partial blob's state.
  const hold = origin.inject({ kind: 'hang' }, { match: isBlobRead });
  const have = await settled(agent, layer);
  await agent.kill();
  t.not((await pull).code, 0);
  heal();
  hold();

  const before = origin.blobBytes;
  const again = await startAgent(t, { origin: origin.url, data: agent.data });
  await again.cliOk(['pull', 'team/big:v1']);
  const fetched = origin.blobBytes - before;
  t.log(`${(have / MIB).toFixed(1)} of ${SIZE / MIB} MiB were there, ${(fetched / MIB).toFixed(1)} came after the restart`);
  t.true(fetched <= SIZE - have + SLACK, `${fetched} bytes after the restart, with ${have} there before`);
  t.is(await fileDigest(again.blobPath(layer)), layer);
  await again.cliOk(['verify']);
});

test('a client whose node is killed in the middle of a blob goes on with a range after its restart', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  t.timeout(180_000);
  const registry = await startDockerRegistry(t);
  const bytes = randomBytes(SIZE);
  const image = await pushImage(registry, 'team/big', 'v1', [bytes]);
  const layer = image.layers[0]!.digest.toString();
  const origin = await startFaultProxy(t, registry.url);
  const heal = origin.inject({ kind: 'slow', bytesPerSecond: 2 * MIB });
  const agent = await startAgent(t, { origin: origin.url });

  const received: Uint8Array[] = [];
  const response = await fetch(`${agent.registry}/v2/team/big/blobs/${layer}`);
  const reading = (async () => {
    for await (const chunk of response.body!) received.push(chunk);
  })();
  await halfway(agent, layer);
  await agent.kill();
  await t.throwsAsync(reading);
  heal();

  const first = Buffer.concat(received);
  t.true(first.equals(bytes.subarray(0, first.length)));
  const again = await startAgent(t, { origin: origin.url, data: agent.data });
  const rest = await getBlob(again.registry, 'team/big', layer, { headers: { range: `bytes=${first.length}-` } });
  t.is(rest.status, 206);
  t.true(Buffer.concat([first, rest.bytes]).equals(bytes));
});

test('a member that dies in the middle of giving a blob is replaced by the origin', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  t.timeout(180_000);
  const registry = await startDockerRegistry(t);
  const image = await pushImage(registry, 'team/big', 'v1', [randomBytes(SIZE)]);
  const layer = image.layers[0]!.digest.toString();
  const giver = await startAgent(t, { origin: registry.url, args: ['--limits-upload', '4MB/s'] });
  await giver.cliOk(['pull', 'team/big:v1']);
  const taker = await startAgent(t, { origin: registry.url, bootstrap: bootstrapOf(giver) });
  await taker.waitForPeers(1);
  const pull = taker.cliOk(['pull', 'team/big:v1']);
  await taker.waitForStatus('a part of the layer', ({ transfers }) =>
    transfers.some((transfer) => transfer.digest === layer && transfer.haveBytes > 2 * MIB),
  );
  await giver.kill();
  await pull;
  t.is(await fileDigest(taker.blobPath(layer)), layer);
});

async function halfway(agent: Agent, layer: string): Promise<void> {
  await agent.waitForStatus('half of the layer', (status) => haveBytes(status, layer) >= SIZE / 2);
}

/** Waits until what the node has stays the same and is noted on disk. @returns bytes */
async function settled(agent: Agent, layer: string): Promise<number> {
  let have = 0;
  let since = Date.now();
  await agent.waitForStatus('a partial blob at rest', (status) => {
    if (haveBytes(status, layer) !== have) {
      have = haveBytes(status, layer);
      since = Date.now();
    }
    const state = join(agent.data, 'partial', `${layer.replace(':', '-')}.state`);
    return statSync(state).mtimeMs > since;
  });
  return have;
}

function haveBytes({ transfers }: Status, layer: string): number {
  return transfers.find(({ digest }) => digest === layer)?.haveBytes ?? 0;
}
