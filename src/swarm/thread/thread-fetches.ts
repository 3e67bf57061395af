import type { Digest } from '../../oci/digest.ts';
import type { BlobStore, StreamOptions } from '../../store/blob-store.ts';
import { clientBytes, type EmitPolicy } from '../exchange/client-read.ts';
import type { BlobFetch, BlobRequest, TransferStatus, WantedPart } from '../swarm.ts';
import type { PortRpc } from './port-rpc.ts';
import type { ThreadOrigins } from './thread-origins.ts';
import type { ThreadProgress } from './thread-progress.ts';
import type { MainMethods, WorkerMethods } from './thread-protocol.ts';

export interface ThreadFetchesOptions {
  readonly blobs: BlobStore;
  readonly emit?: EmitPolicy;
  mayShare(blob: Digest): boolean;
}

interface ThreadParts {
  /** The thread that runs now. */
  readonly worker: () => PortRpc<MainMethods, WorkerMethods>;
  readonly origins: ThreadOrigins;
  readonly progress: ThreadProgress;
}

/** The fetches that this thread asked a bulk thread for, each until whoever holds it lets go. */
export class ThreadFetches {
  readonly #options: ThreadFetchesOptions;
  readonly #parts: ThreadParts;
  #nextId = 0;
  #held = 0;

  constructor(options: ThreadFetchesOptions, parts: ThreadParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** How many somebody holds. */
  get held(): number {
    return this.#held;
  }

  fetch(request: BlobRequest): BlobFetch {
    const { digest, size, repository, origin, pull, sources } = request;
    const { origins, progress } = this.#parts;
    const worker = this.#parts.worker();
    const id = this.#nextId++;
    const begun = worker.call('fetch', {
      id,
      digest: digest.toString(),
      size,
      repository,
      sources,
      pull,
      isAbsent: this.#options.blobs.size(digest) === undefined,
      origin: origin === undefined ? undefined : origins.ref(origin),
      shared: request.shared ?? this.#options.mayShare(digest),
    });
    const whenDone = async (): Promise<void> => {
      await begun;
      await worker.call('done', { id });
    };
    const done = whenDone();
    // Whoever waits is told; nobody may.
    done.catch(() => undefined);
    this.#held++;
    let isReleased = false;
    const startedAt = Date.now();
    const fetch = {
      digest,
      size: async (): Promise<number> => size ?? (await begun.then(async () => await worker.call('size', { id }))),
      done: async () => {
        await done;
      },
      vouchedPiece: async (offset: number, wanted?: WantedPart) => await worker.call('vouched', { id, offset, wanted }),
      read: (start: number, end: number, signal: AbortSignal, stream?: StreamOptions) =>
        clientBytes(
          fetch,
          this.#options.blobs,
          start,
          end,
          {
            ...stream,
            emit: this.#options.emit ?? 'proven',
            onVouched: (bytes) => {
              progress.vouchedBytes += bytes;
            },
          },
          signal,
        ),
      progress: (): TransferStatus =>
        progress.transfer(digest) ?? {
          digest,
          repository,
          sizeBytes: size,
          haveBytes: 0,
          fromOriginBytes: 0,
          fromPeers: new Map(),
          bytesPerSecond: 0,
          stalls: 0,
          retries: 0,
          state: 'finding',
          startedAt,
        },
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#held--;
        worker.notify('release', { id });
      },
    };
    return fetch;
  }
}
