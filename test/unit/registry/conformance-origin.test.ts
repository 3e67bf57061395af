import test from 'ava';
import { requireTool } from '../../support/require-tool.ts';
import { startRegistryNode } from '../../support/registry-node.ts';
import { makeFixture, PULL, TAGS } from './conformance-table.ts';
import { startOrigin } from './origin-behind-faults.ts';

// What a client reads from a node whose origin is a real registry (distribution 2.8).

for (const { title, run } of [...PULL, ...TAGS]) {
  test(title, async (t) => {
    if (!requireTool(t, 'docker-registry')) return;
    const { registry, origin } = await startOrigin(t);
    const { url } = await startRegistryNode(t, { origin });
    await run(await makeFixture(t, url, registry.url));
  });
}
