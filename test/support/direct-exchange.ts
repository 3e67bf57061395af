import { LayerswarmError } from '../../src/errors.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { BlobStore } from '../../src/store/blob-store.ts';
import type { BlobExchange, BlobFetch, BlobOrigin, BlobRequest, TransferStatus } from '../../src/swarm/swarm.ts';

/**
 * A `BlobExchange` with no swarm: blobs come from the origin, whole, once for all callers, and readers get bytes as they arrive.
 * `members` stands for what other nodes hold.
 */
export class DirectExchange implements BlobExchange {
  readonly members = new Map<string, Buffer>();
  /** Fetches that were started: what callers that share one do not add to. */
  started = 0;
  /** Callers that have not released. */
  interested = 0;
  readonly #store: BlobStore;
  readonly #origin: () => BlobOrigin | undefined;
  readonly #fetches = new Map<string, SharedFetch>();

  constructor(store: BlobStore, origin: () => BlobOrigin | undefined) {
    this.#store = store;
    this.#origin = origin;
  }

  fetch(request: BlobRequest): BlobFetch {
    const key = `${request.digest.toString()} ${request.sources ?? 'any'}`;
    let shared = this.#fetches.get(key);
    if (shared === undefined) {
      this.started++;
      shared = new SharedFetch(this.#store, request.origin ?? this.#origin(), request, this.members.get(request.digest.toString()));
      this.#fetches.set(key, shared);
      shared.done.catch(() => undefined).finally(() => this.#fetches.delete(key));
    }
    const joined = shared;
    let isReleased = false;
    this.interested++;
    return {
      digest: request.digest,
      size: () => joined.size,
      done: () => joined.done,
      read: (start, end, signal) => joined.read(start, end, signal),
      vouchedPiece: () => Promise.resolve(undefined),
      progress: () => joined.progress(),
      release: () => {
        if (!isReleased) this.interested--;
        isReleased = true;
      },
    };
  }

  async findable(digest: Digest): Promise<boolean> {
    return this.#store.size(digest) !== undefined || this.members.has(digest.toString());
  }

  async *readHeld(digest: Digest, { start, end }: { start: number; end: number }): AsyncGenerator<Uint8Array> {
    const held = this.members.get(digest.toString());
    if (held === undefined) throw new LayerswarmError('not-found', `no member gives ${digest.toString()}`);
    yield await Promise.resolve(held.subarray(start, end));
  }

  transfers(): readonly TransferStatus[] {
    return [...this.#fetches.values()].map((fetch) => fetch.progress());
  }
}

class SharedFetch {
  readonly size: Promise<number>;
  readonly done: Promise<void>;
  readonly #request: BlobRequest;
  readonly #chunks: Uint8Array[] = [];
  #arrived = Promise.withResolvers<void>();
  #failure: unknown;
  #isComplete = false;

  constructor(store: BlobStore, origin: BlobOrigin | undefined, request: BlobRequest, held: Buffer | undefined) {
    this.#request = request;
    this.size = sizeOf(store, origin, request, held);
    this.done = this.#run(store, origin, request, held);
    this.size.catch(() => undefined);
    this.done.catch(() => undefined);
  }

  async *read(start: number, end: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    let offset = 0;
    for (let index = 0; offset < end; index++) {
      while (this.#chunks[index] === undefined) {
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#isComplete) return;
        await this.#arrived.promise;
      }
      signal.throwIfAborted();
      const chunk = this.#chunks[index]!;
      const part = chunk.subarray(Math.max(0, start - offset), Math.max(0, end - offset));
      offset += chunk.length;
      if (part.length > 0) yield part;
    }
  }

  progress(): TransferStatus {
    const haveBytes = this.#chunks.reduce((sum, { length }) => sum + length, 0);
    const { digest, repository } = this.#request;
    return {
      digest,
      repository,
      haveBytes,
      sizeBytes: undefined,
      fromOriginBytes: haveBytes,
      fromPeers: new Map(),
      bytesPerSecond: 0,
      stalls: 0,
      retries: 0,
      state: this.#isComplete ? 'done' : 'fetching',
      startedAt: 0,
    };
  }

  async #run(store: BlobStore, origin: BlobOrigin | undefined, request: BlobRequest, held: Buffer | undefined): Promise<void> {
    try {
      const size = await this.size;
      await store.write(this.#recorded(source(store, origin, request, held, size)), { expected: request.digest, expectedSize: size });
      this.#isComplete = true;
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      this.#arrived.resolve();
    }
  }

  async *#recorded(from: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of from) {
      this.#chunks.push(Buffer.from(chunk));
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers<void>();
      yield chunk;
    }
  }
}

async function sizeOf(store: BlobStore, origin: BlobOrigin | undefined, request: BlobRequest, held: Buffer | undefined): Promise<number> {
  const size = store.size(request.digest) ?? held?.length;
  if (size !== undefined) return size;
  if (request.sources === 'peers') throw new LayerswarmError('not-found', `no member has ${request.digest.toString()}`);
  if (origin === undefined) throw new LayerswarmError('unavailable', 'no origin, and no member has it');
  return origin.blobSize(request.repository, request.digest);
}

async function* source(
  store: BlobStore,
  origin: BlobOrigin | undefined,
  { digest, repository }: BlobRequest,
  held: Buffer | undefined,
  size: number,
): AsyncGenerator<Uint8Array> {
  if (store.size(digest) !== undefined) {
    const reader = await store.open(digest);
    try {
      yield* reader.stream();
    } finally {
      await reader.close();
    }
  } else if (held !== undefined) {
    yield held;
  } else {
    yield* origin!.readBlob(repository, digest, { start: 0, end: size });
  }
}
