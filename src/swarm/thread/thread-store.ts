import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { BlobReader, BlobStore } from '../../store/blob-store.ts';
import { identityAt, type FileGuard } from '../../store/blobs/blob-check.ts';
import type { GuardedBlobs } from '../../store/blobs/disk-blob-store.ts';
import type { PartialLender } from '../../store/partial/partial-owner.ts';
import { LentPartial } from './lent-partial.ts';
import type { Handlers, PortRpc } from './port-rpc.ts';
import { type FoundFile, fromPort, type MainMethods, type WorkerMethods } from './thread-protocol.ts';

type StoreMethods = Pick<
  MainMethods,
  | 'blobSize'
  | 'mayShare'
  | 'openBlob'
  | 'closeBlob'
  | 'expectedOf'
  | 'foundRight'
  | 'foundWrong'
  | 'doubtBlob'
  | 'writeBlob'
  | 'checkpoints'
  | 'openPartial'
  | 'publishPartial'
  | 'partialClosed'
>;

export interface ThreadStoreOptions {
  readonly blobs: BlobStore & PartialLender & GuardedBlobs;
  /** Whether members may have this blob. */
  mayShare(blob: Digest): boolean;
  /** Bytes of an unfinished blob, as the thread last said. */
  haveBytes(digest: Digest): number | undefined;
  worker(): PortRpc<MainMethods, WorkerMethods>;
}

/** What the bulk thread may do with the store. */
export class ThreadStore {
  readonly #options: ThreadStoreOptions;
  readonly #readers = new Map<number, BlobReader>();
  readonly #partials = new Map<number, LentPartial>();
  readonly #closing = new Set<Promise<void>>();
  #nextId = 0;

  constructor(options: ThreadStoreOptions) {
    this.#options = options;
  }

  readonly handlers: Handlers<StoreMethods> = {
    blobSize: ({ digest }) => this.#options.blobs.size(Digest.parse(digest)),
    mayShare: ({ digest }) => this.#options.mayShare(Digest.parse(digest)),
    openBlob: async ({ digest }) => {
      const { blobs } = this.#options;
      const blob = Digest.parse(digest);
      const reader = await blobs.open(blob);
      const handle = this.#nextId++;
      this.#readers.set(handle, reader);
      return { handle, size: reader.size, path: reader.path, found: await foundAt(reader.path, blobs.guard(blob)) };
    },
    closeBlob: async ({ handle }) => {
      const reader = this.#readers.get(handle);
      this.#readers.delete(handle);
      if (reader === undefined) return;
      const closing = reader.close().finally(() => {
        this.#closing.delete(closing);
      });
      this.#closing.add(closing);
      await closing;
    },
    expectedOf: async ({ digest, file }) => await this.#options.blobs.guard(Digest.parse(digest))?.expected(file),
    foundRight: ({ digest, file, found }) => {
      this.#options.blobs.guard(Digest.parse(digest))?.right(file, fromPort(found));
    },
    foundWrong: async ({ digest }) => {
      await this.#options.blobs.guard(Digest.parse(digest))?.wrong();
    },
    doubtBlob: ({ digest }) => {
      this.#options.blobs.doubt(Digest.parse(digest));
    },
    writeBlob: async ({ digest, bytes }) => {
      await this.#options.blobs.write(once(bytes), { expected: Digest.parse(digest) });
    },
    checkpoints: async ({ digest }) => await this.#options.blobs.checkpoints(Digest.parse(digest)),
    openPartial: async ({ digest: text, size, pieceLength }) => {
      const digest = Digest.parse(text);
      const partial = this.#nextId++;
      const worker = this.#options.worker();
      return await this.#options.blobs
        .lendPartial(digest, size, pieceLength, (owner, paths) => {
          const lent = new LentPartial({
            digest,
            size,
            owner,
            path: paths.data,
            haveBytes: () => this.#options.haveBytes(digest),
            removed: () => {
              worker.notify('partialRemoved', { partial });
            },
            close: async () => {
              // A thread that is gone has closed everything.
              if (!worker.isClosed) await worker.call('closePartial', { partial });
            },
          });
          this.#partials.set(partial, lent);
          const { bytes: syncBytes, intervalMs: syncIntervalMs } = owner.sync;
          return Promise.resolve(Object.assign(lent, { answer: { partial, paths, syncBytes, syncIntervalMs } }));
        })
        .then(({ answer }) => answer);
    },
    publishPartial: async ({ partial, checkpointLength, digests }) => {
      const lent = this.#partials.get(partial);
      if (lent === undefined) throw new LayerswarmError('internal', 'the unfinished blob is closed');
      await lent.publish(
        checkpointLength,
        digests.map((digest) => Buffer.from(digest)),
      );
    },
    partialClosed: async ({ partial, haveBytes, committed }) => {
      const lent = this.#partials.get(partial);
      this.#partials.delete(partial);
      await lent?.ended(haveBytes, committed);
    },
  };

  /** Resolves when what the thread has closed so far is closed here. */
  async closing(): Promise<void> {
    await Promise.allSettled(this.#closing);
  }

  /** The thread is gone, and has nothing open any more. */
  async close(): Promise<void> {
    const [readers, partials] = [[...this.#readers.values()], [...this.#partials.values()]];
    this.#readers.clear();
    this.#partials.clear();
    await Promise.all([
      ...readers.map(async (reader) => {
        await reader.close();
      }),
      ...partials.map(async (lent) => {
        await lent.ended(undefined, false);
      }),
    ]);
  }
}

/** Spares whoever opens the file a question. */
async function foundAt(path: string, guard: FileGuard | undefined): Promise<FoundFile | undefined> {
  try {
    const file = await identityAt(path);
    return { file, expected: await guard?.expected(file) };
  } catch {
    // Deleted since.
    return undefined;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
