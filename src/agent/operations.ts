import type { Handlers } from '../control/control-server.ts';
import { errorCode } from '../errors.ts';
import { parsePlatform } from '../oci/platform.ts';
import type { Metrics } from '../status/metrics.ts';
import type { StatusSource } from '../status/status-source.ts';
import type { Store } from '../store/store.ts';
import { parseImageName, type ImageNameOptions } from './image-name.ts';
import type { Puller } from './puller.ts';
import type { ReceiptRing } from './receipt-ring.ts';

export interface OperationParts {
  readonly view: StatusSource;
  readonly puller: Puller;
  readonly store: Store;
  readonly receipts: ReceiptRing;
  readonly metrics: Metrics;
  readonly names: ImageNameOptions;
}

/** What the command line can ask for. */
export function controlHandlers({ view, puller, store, receipts, metrics, names }: OperationParts): Omit<Handlers, 'seed'> {
  return {
    status: async () => view.status(),
    receipts: async () => ({ receipts: view.receipts() }),

    pull: async ({ reference, platform }, { signal, progress }) => {
      const image = parseImageName(reference, names);
      const wanted = platform === undefined || platform === 'all' ? platform : parsePlatform(platform);
      try {
        const receipt = await puller.pull(image, { platform: wanted, signal, onProgress: progress });
        receipts.add(receipt);
        metrics.pulled(receipt);
        return { receipt };
      } catch (error) {
        if (errorCode(error) !== 'aborted') metrics.pullFailed();
        throw error;
      }
    },

    verify: async (_request, { signal, progress }) => {
      const totalBytes = store.stats().bytes;
      const corrupt: string[] = [];
      let blobs = 0;
      let bytes = 0;
      for await (const { digest, size, state } of store.verify({ signal })) {
        blobs++;
        bytes += size;
        if (state !== 'ok') corrupt.push(digest.toString());
        progress({ blobs, bytes, totalBytes });
      }
      return { blobs, bytes, corrupt };
    },
  };
}
