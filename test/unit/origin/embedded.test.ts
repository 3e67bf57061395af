import test from 'ava';
import { startRegistryNode } from '../../support/registry-node.ts';
import { originConformance } from './conformance.ts';

originConformance(test, 'embedded origin', async (t) => {
  const node = await startRegistryNode(t, { origin: 'embedded' });
  return { origin: node.embedded!, target: { url: node.url } };
});
