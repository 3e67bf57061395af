import type { BlobStore } from '../../src/store/blob-store.ts';
import type { GuardedBlobs } from '../../src/store/blobs/disk-blob-store.ts';
import type { ExchangeStore } from '../../src/swarm/exchange/exchange-store.ts';

/** A store of this thread for an exchange of this thread. */
export function exchangeStore(blobs: BlobStore & GuardedBlobs): ExchangeStore {
  return {
    size: (digest) => blobs.size(digest),
    open: async (digest) => await blobs.open(digest),
    write: async (bytes, digest) => {
      await blobs.write(once(bytes), { expected: digest });
    },
    openPartial: async (digest, size, pieceLength) => await blobs.openPartial(digest, size, pieceLength),
    checkpoints: async (digest) => await blobs.checkpoints(digest),
    doubt: (digest) => {
      blobs.doubt(digest);
    },
    onRemoved: (listener) => {
      blobs.onChange(({ kind, digest }) => {
        if (kind === 'removed') listener(digest);
      });
    },
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
