import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import test from 'ava';
import { flipBit } from '../../support/flip-bit.ts';
import { send } from '../../support/raw-http.ts';
import { pushImage } from '../../support/registry-content.ts';
import { startRegistryNode } from '../../support/registry-node.ts';
import { requireTool } from '../../support/require-tool.ts';
import { waitFor } from '../../support/wait-for.ts';
import { startOrigin } from './origin-behind-faults.ts';

const layer = randomBytes(3_000_000);

for (const [name, at, range] of [
  ['at its beginning', 5, undefined],
  ['in its middle', 2_000_000, undefined],
  ['before the part that is asked for', 5, 'bytes=1500000-1999999'],
] as const) {
  test(`a client gets the right bytes of a blob that the disk changed ${name}`, async (t) => {
    if (!requireTool(t, 'docker-registry')) return;
    const { origin, registry } = await startOrigin(t);
    const image = await pushImage(registry, 'team/app', 'v1', [layer]);
    const node = await startRegistryNode(t, { origin });
    const { digest } = image.layers[0]!;
    const url = `${node.url}/v2/team/app/blobs/${digest.toString()}`;
    await send(`${node.url}/v2/team/app/manifests/v1`);
    t.true(layer.equals((await send(url)).body));
    await waitFor('the blob to be kept', () => node.store.size(digest) !== undefined, { interval: 5 });
    flipBit(join(node.folder, 'blobs', 'sha256', digest.hex), at);
    const answer = await send(url, range === undefined ? {} : { headers: { range } });
    t.is(answer.status, range === undefined ? 200 : 206);
    t.true(answer.body.equals(range === undefined ? layer : layer.subarray(1_500_000, 2_000_000)));
    t.true(layer.equals((await send(url)).body));
  });
}
