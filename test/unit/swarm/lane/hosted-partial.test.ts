import test, { type ExecutionContext } from 'ava';
import type { BlobStore } from '../../../../src/store/blob-store.ts';
import { openStore, type StoreOptions } from '../../../../src/store/store.ts';
import { BulkThread } from '../../../../src/swarm/lane/bulk/bulk-thread.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { blobStoreConformance } from '../../store/conformance.ts';
import { partialBlobConformance } from '../../store/partial-conformance.ts';

async function makeStore(t: ExecutionContext, options: StoreOptions = {}): Promise<BlobStore> {
  const thread = await BulkThread.start({ host: '127.0.0.1', port: 0 }, (error) => { throw error; });
  t.teardown(() => thread.stop());
  const store = await openStore(tempDir(t), { ...options, openPartial: thread.partials.open });
  t.teardown(() => store.close());
  return store.blobs;
}

blobStoreConformance(test, 'unfinished blobs in the bulk thread', makeStore);
partialBlobConformance(test, 'in the bulk thread', async (t) => await makeStore(t, { syncBytes: 1000, syncIntervalMs: 1 }));
