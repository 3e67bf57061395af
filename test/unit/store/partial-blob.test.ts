import test from 'ava';
import { openStore } from '../../../src/store/store.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { partialBlobConformance } from './partial-conformance.ts';

partialBlobConformance(test, 'on the main thread', async (t) => {
  const store = await openStore(tempDir(t), { syncBytes: 1000, syncIntervalMs: 1 });
  t.teardown(() => store.close());
  return store.blobs;
});
