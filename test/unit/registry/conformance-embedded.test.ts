import test from 'ava';
import { startRegistryNode } from '../../support/registry-node.ts';
import { makeFixture, MANAGEMENT, PULL, PUSH, REFERRERS, TAGS } from './conformance-table.ts';

const CATEGORIES = { pull: PULL, push: PUSH, 'content discovery': [...TAGS, ...REFERRERS], 'content management': MANAGEMENT };

for (const [category, rows] of Object.entries(CATEGORIES)) {
  for (const { title, run } of rows) {
    test(`${category}: ${title}`, async (t) => {
      const { url } = await startRegistryNode(t, { origin: 'embedded' });
      await run(await makeFixture(t, url));
    });
  }
}
