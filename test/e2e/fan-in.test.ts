import test from 'ava';
import { randomBytes } from 'node:crypto';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { startAgent } from '../support/layerswarm.ts';
import { getBlob } from '../support/registry-client.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';

const CLIENTS = 50;

test('fifty clients that ask for one cold blob share one fetch from the origin', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const registry = await startDockerRegistry(t);
  const size = 6_000_000;
  const image = await pushImage(registry, 'team/app', 'v1', [randomBytes(size)]);
  const layer = image.layers[0]!.digest.toString();
  const origin = await startFaultProxy(t, registry.url);
  const agent = await startAgent(t, { origin: origin.url });
  const answers = await Promise.all(Array.from({ length: CLIENTS }, () => getBlob(agent.registry, 'team/app', layer)));
  for (const { status, digest } of answers) t.deepEqual([status, digest], [200, layer]);
  t.is(origin.blobBytes, size);
});
