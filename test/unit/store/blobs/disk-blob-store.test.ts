import anyTest from 'ava';
import { openStore } from '../../../../src/store/store.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { blobStoreConformance } from '../conformance.ts';

blobStoreConformance(anyTest, 'disk', async (t) => {
  const store = await openStore(tempDir(t));
  t.teardown(() => store.close());
  return store.blobs;
});
