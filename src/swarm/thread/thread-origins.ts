import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { BlobOrigin } from '../swarm.ts';
import type { Handlers, PortRpc } from './port-rpc.ts';
import type { MainMethods, OriginRef, WorkerMethods } from './thread-protocol.ts';

type OriginMethods = Pick<MainMethods, 'originSize' | 'readOrigin' | 'readElsewhere'>;

/** Chunks of a reading go over together, this many bytes at a time: each message has its price. */
const BATCH_BYTES = 256 * 1024;
/** Batches that were sent and not taken yet, of one reading. */
const MAX_AHEAD = 4;

/** The registries that the bulk thread reads blobs from: their clients, and the logins, stay on this side. */
export class ThreadOrigins {
  readonly #own: () => BlobOrigin | undefined;
  readonly #worker: () => PortRpc<MainMethods, WorkerMethods>;
  readonly #refs = new WeakMap<BlobOrigin, OriginRef>();
  readonly #origins = new Map<number, WeakRef<BlobOrigin>>();
  #told: BlobOrigin | undefined;
  #nextId = 0;

  /** @param own the swarm's own origin, while one is known */
  constructor(own: () => BlobOrigin | undefined, worker: () => PortRpc<MainMethods, WorkerMethods>) {
    this.#own = own;
    this.#worker = worker;
  }

  readonly handlers: Handlers<OriginMethods> = {
    originSize: async ({ origin, repository, digest }, signal) => await this.#get(origin).blobSize(repository, Digest.parse(digest), signal),
    readElsewhere: ({ origin, bytes }) => { this.#get(origin).readElsewhere?.(bytes); },
    readOrigin: async ({ reading, origin, repository, digest, range }, signal) => {
      const sent = new Set<Promise<void>>();
      let left = range.end - range.start;
      // Memory of its own, which is handed over: a view would take all that it is a view of along.
      let batch = new Uint8Array(Math.min(BATCH_BYTES, left));
      let filled = 0;
      for await (const chunk of this.#get(origin).readBlob(repository, Digest.parse(digest), range, signal)) {
        for (let at = 0; at < chunk.length;) {
          const part = chunk.subarray(at, at + batch.length - filled);
          batch.set(part, filled);
          at += part.length;
          filled += part.length;
          left -= part.length;
          if (filled < batch.length) continue;
          const sending = this.#worker().call('originData', { reading, bytes: batch }, { transfer: [batch.buffer] }).finally(() => { sent.delete(sending); });
          sent.add(sending);
          batch = new Uint8Array(Math.min(BATCH_BYTES, left));
          filled = 0;
          if (sent.size >= MAX_AHEAD) await Promise.race(sent);
        }
      }
      await Promise.all(sent);
    },
  };

  ref(origin: BlobOrigin): OriginRef {
    let ref = this.#refs.get(origin);
    if (ref === undefined) {
      ref = { id: this.#nextId++, url: origin.url };
      this.#refs.set(origin, ref);
      this.#origins.set(ref.id, new WeakRef(origin));
    }
    return ref;
  }

  /** Tells the thread when the swarm's own origin is another than it knows. */
  tell(): void {
    const own = this.#own();
    if (own === this.#told) return;
    this.#told = own;
    this.#worker().notify('originIs', { origin: own === undefined ? undefined : this.ref(own) });
  }

  /** The thread is new, and knows nothing. */
  forgetTold(): void {
    this.#told = undefined;
  }

  #get({ id }: OriginRef): BlobOrigin {
    const origin = this.#origins.get(id)?.deref();
    if (origin === undefined) throw new LayerswarmError('origin-unknown', 'this origin is not used any longer');
    return origin;
  }
}
