import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { AttemptFailed } from '../../origin/origin-error.ts';
import type { RemoteReads } from '../../origin/remote-reads.ts';
import { Answer, type Transport } from '../../origin/transport.ts';
import type { BlobOrigin } from '../swarm.ts';
import type { Handlers, PortRpc } from './port-rpc.ts';
import { RemoteBody } from './remote-body.ts';
import type { MainMethods, OriginRef, ProgressReport, WorkerMethods } from './thread-protocol.ts';

type OriginMethods = Pick<MainMethods, 'originSize' | 'originSend' | 'originClosed' | 'originRanges'>;

/** The registries that the bulk thread reads blobs from: their clients, and the logins, stay on this side; the connections are over there. */
export class ThreadOrigins {
  readonly #own: () => BlobOrigin | undefined;
  readonly #worker: () => PortRpc<MainMethods, WorkerMethods>;
  readonly #refs = new WeakMap<BlobOrigin, OriginRef>();
  readonly #origins = new Map<number, WeakRef<BlobOrigin>>();
  /** Answers that the thread has and has not closed. */
  readonly #bodies = new Map<number, RemoteBody>();
  readonly #ids = new WeakMap<Answer, number>();
  #told: BlobOrigin | undefined;
  #nextId = 0;

  /** @param own the swarm's own origin, while one is known */
  constructor(own: () => BlobOrigin | undefined, worker: () => PortRpc<MainMethods, WorkerMethods>) {
    this.#own = own;
    this.#worker = worker;
  }

  readonly handlers: Handlers<OriginMethods> = {
    originSize: async ({ origin, repository, digest }, signal) =>
      await this.#get(origin).blobSize(repository, Digest.parse(digest), signal),
    originSend: async ({ origin, request, what }, signal) =>
      this.#ids.get(await this.#reads(origin).send(what, this.#transport(request), signal))!,
    originClosed: ({ answer }) => {
      this.#bodies.get(answer)?.close();
      this.#bodies.delete(answer);
    },
    originRanges: ({ origin, heeded }) => {
      this.#reads(origin).tellRanges(heeded);
    },
  };

  /** The thread has read so much. */
  count(read: ProgressReport['read']): void {
    for (const { origin, bytes, answers } of read) this.#origins.get(origin)?.deref()?.readElsewhere?.(bytes, answers);
  }

  ref(origin: BlobOrigin): OriginRef {
    let ref = this.#refs.get(origin);
    if (ref === undefined) {
      const { url, reads } = origin;
      ref = { id: this.#nextId++, url, reads: reads === undefined ? undefined : { connections: reads.connections, rate: reads.rate } };
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

  /** The thread is gone, and what it read with it. */
  drop(): void {
    for (const body of this.#bodies.values()) body.close();
    this.#bodies.clear();
  }

  /** Has the thread send what the client of a registry wants sent. */
  #transport(request: number): Transport {
    return async (way, { url, headers, headersTimeout, stallTimeout, signal }) => {
      const worker = this.#worker();
      const said = await worker.call('originExchange', { request, way, url: url.href, headers, headersTimeout, stallTimeout }, { signal });
      if ('code' in said)
        throw new AttemptFailed({ error: new LayerswarmError(said.code, said.message), transient: said.transient, outage: said.outage });
      const id = said.answer;
      const body = new RemoteBody({
        excerpt: async (limit) => await worker.call('originExcerpt', { answer: id, limit }),
        discard: () => {
          worker.notify('originDiscard', { answer: id });
        },
      });
      this.#bodies.set(id, body);
      const answer = new Answer(url, said.status, said.headers, body);
      this.#ids.set(answer, id);
      return answer;
    };
  }

  #reads(id: number): RemoteReads {
    const { reads, url } = this.#get(id);
    if (reads === undefined) throw new LayerswarmError('internal', `the blobs of ${url} are not read over HTTP`);
    return reads;
  }

  #get(id: number): BlobOrigin {
    const origin = this.#origins.get(id)?.deref();
    if (origin === undefined) throw new LayerswarmError('origin-unknown', 'this origin is not used any longer');
    return origin;
  }
}
