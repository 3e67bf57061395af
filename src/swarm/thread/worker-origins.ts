import type { BlobRange } from '../../origin/blob-reader.ts';
import type { Digest } from '../../oci/digest.ts';
import { readFromMember } from '../exchange/member-read.ts';
import type { ByteRange } from '../lane/lane.ts';
import { embeddedOriginPeer } from '../member-origin.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { BlobOrigin } from '../swarm.ts';
import type { PortRpc } from './port-rpc.ts';
import type { MainMethods, OriginRef, WorkerMethods } from './thread-protocol.ts';

/** Bytes that have come from the main thread and were not taken yet, of one reading. */
interface Reading {
  readonly chunks: Uint8Array[];
  /** For the main thread, which sends a little ahead and waits then. */
  readonly taken: (() => void)[];
  arrived: PromiseWithResolvers<void>;
}

/** The registries as the bulk thread sees them: the main thread has the clients, and their logins. */
export class WorkerOrigins {
  readonly #main: () => PortRpc<WorkerMethods, MainMethods>;
  readonly #origins = new Map<number, BlobOrigin>();
  readonly #readings = new Map<number, Reading>();
  readonly #network: Pick<BlobNetwork, 'lane'>;
  #own: OriginRef | undefined;
  #nextReading = 0;

  constructor(main: () => PortRpc<WorkerMethods, MainMethods>, network: Pick<BlobNetwork, 'lane'>) {
    this.#main = main;
    this.#network = network;
  }

  readonly handlers = {
    originIs: ({ origin }: { origin: OriginRef | undefined }): void => { this.#own = origin; },
    originData: async ({ reading: id, bytes }: { reading: number; bytes: Uint8Array }): Promise<void> => {
      const reading = this.#readings.get(id);
      // Whoever read has had enough: the call that brings this is being aborted.
      if (reading === undefined) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      reading.chunks.push(bytes);
      reading.taken.push(resolve);
      reading.arrived.resolve();
      await promise;
    },
  };

  /** The swarm's own, while one is known. */
  own(): BlobOrigin | undefined {
    return this.#own === undefined ? undefined : this.get(this.#own);
  }

  /** The same object for the same origin. */
  get(ref: OriginRef): BlobOrigin {
    let origin = this.#origins.get(ref.id);
    if (origin === undefined) {
      origin = {
        url: ref.url,
        blobSize: async (repository, digest, signal) => await this.#main().call('originSize', { origin: ref, repository, digest: digest.toString() }, { signal }),
        readBlob: (repository, digest, range, signal) => {
          const holder = embeddedOriginPeer(ref.url);
          return holder === undefined ? this.#read(ref, repository, digest, range, signal) : this.#readMember(ref, holder, digest, range, signal);
        },
      };
      this.#origins.set(ref.id, origin);
    }
    return origin;
  }

  /** The bytes of an origin that is embedded in a member come over its lane: they stay on this thread. */
  async *#readMember(origin: OriginRef, peerId: string, digest: Digest, range: ByteRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const chunk of readFromMember(this.#network, peerId, digest, range, signal)) {
      this.#main().notify('readElsewhere', { origin, bytes: chunk.length }, (waiting) => {
        if (waiting.origin.id !== origin.id) return false;
        waiting.bytes += chunk.length;
        return true;
      });
      yield chunk;
    }
  }

  async *#read(origin: OriginRef, repository: string, digest: Digest, range: BlobRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const id = this.#nextReading++;
    const reading: Reading = { chunks: [], taken: [], arrived: Promise.withResolvers() };
    this.#readings.set(id, reading);
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const state = { isOver: false };
    const over = this.#main().call('readOrigin', { reading: id, origin, repository, digest: digest.toString(), range }, { signal: either }).finally(() => {
      state.isOver = true;
      reading.arrived.resolve();
    });
    // It is thrown below, where that is reached.
    over.catch(() => undefined);
    try {
      while (!state.isOver || reading.chunks.length > 0) {
        if (reading.chunks.length === 0) await reading.arrived.promise;
        reading.arrived = Promise.withResolvers();
        while (reading.chunks.length > 0) yield reading.chunks.shift()!;
        for (const taken of reading.taken.splice(0)) taken();
      }
      await over;
    } finally {
      this.#readings.delete(id);
      for (const taken of reading.taken) taken();
      stop.abort();
    }
  }
}
