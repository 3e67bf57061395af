import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { readFromMember } from '../exchange/member-read.ts';
import type { ByteRange } from '../lane/lane.ts';
import type { Bandwidth } from '../lane/pace/bandwidth.ts';
import { embeddedOriginPeer, failedAnswer } from '../member-origin.ts';
import type { BlobNetwork } from '../network/network.ts';
import type { BlobOrigin } from '../swarm.ts';
import type { PortRpc } from './port-rpc.ts';
import type { MainMethods, OriginRef, ProgressReport, WorkerMethods } from './thread-protocol.ts';
import { WorkerAnswers } from './worker-answers.ts';
import type { WorkerRegistry } from './worker-registry.ts';

/** The registries as the bulk thread sees them: the main thread has their clients, and their logins. */
export class WorkerOrigins {
  readonly #main: () => PortRpc<WorkerMethods, MainMethods>;
  readonly #origins = new Map<number, BlobOrigin>();
  readonly #network: Pick<BlobNetwork, 'lane'>;
  readonly #rate: Bandwidth['originRate'];
  readonly #answers: WorkerAnswers;
  /** What the main thread has not been told of, by origin. */
  readonly #read = new Map<number, { bytes: number; readonly answers: Record<string, number> }>();
  #own: OriginRef | undefined;

  constructor(main: () => PortRpc<WorkerMethods, MainMethods>, network: Pick<BlobNetwork, 'lane'>, bandwidth: Bandwidth | undefined) {
    this.#main = main;
    this.#network = network;
    this.#rate = bandwidth?.originRate;
    this.#answers = new WorkerAnswers(main);
    this.handlers = {
      ...this.#answers.handlers,
      originIs: async ({ origin }: { origin: OriginRef | undefined }): Promise<void> => {
        this.#own = origin;
        // It takes a tenth of a second, which the first pull need not wait for.
        if (origin?.reads !== undefined) await httpReader();
      },
    };
  }

  readonly handlers;

  /** There is something for `takeRead`. */
  get hasRead(): boolean {
    return this.#read.size > 0;
  }

  /** What was read since this was asked last. */
  takeRead(): ProgressReport['read'] {
    const read = [...this.#read].map(([origin, read]) => ({ origin, ...read }));
    this.#read.clear();
    return read;
  }

  /** The swarm's own, while one is known. */
  own(): BlobOrigin | undefined {
    return this.#own === undefined ? undefined : this.get(this.#own);
  }

  /** The same object for the same origin. */
  get(ref: OriginRef): BlobOrigin {
    let origin = this.#origins.get(ref.id);
    if (origin === undefined) {
      // Assigned, not spread: what it says of ranges changes.
      origin = Object.assign(this.#reader(ref), {
        url: ref.url,
        blobSize: async (repository: string, digest: Digest, signal?: AbortSignal) =>
          await this.#main().call('originSize', { origin: ref.id, repository, digest: digest.toString() }, { signal }),
      });
      this.#origins.set(ref.id, origin);
    }
    return origin;
  }

  #reader(ref: OriginRef): Pick<BlobOrigin, 'readBlob' | 'ranges'> {
    const { reads, url } = ref;
    const member = embeddedOriginPeer(url);
    if (member !== undefined)
      return { readBlob: (_repository, digest, range, signal) => this.#readMember(ref, member, digest, range, signal) };
    if (reads === undefined) throw new LayerswarmError('internal', `there is no way to read blobs of ${url}`);
    const options = {
      origin: ref,
      reads,
      answers: this.#answers,
      sharedRate: this.#rate,
      main: this.#main,
      count: (bytes: number) => {
        this.#count(ref, bytes);
      },
    };
    let registry: WorkerRegistry | undefined;
    return {
      get ranges() {
        return registry?.ranges ?? 'unknown';
      },
      readBlob: async function* (repository, digest, range, signal) {
        const { WorkerRegistry: Registry } = await httpReader();
        registry ??= new Registry(options);
        yield* registry.read(repository, digest, range, signal);
      },
    };
  }

  /** The bytes of an origin that is embedded in a member come over its lane: they stay on this thread. */
  async *#readMember(
    origin: OriginRef,
    peerId: string,
    digest: Digest,
    range: ByteRange,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of readFromMember(this.#network, peerId, digest, range, signal)) {
        this.#count(origin, chunk.length);
        yield chunk;
      }
      this.#count(origin, 0, '200');
    } catch (error) {
      this.#count(origin, 0, failedAnswer(error));
      throw error;
    }
  }

  /** @param answer that the main thread did not see */
  #count({ id }: OriginRef, bytes: number, answer?: string): void {
    const read = this.#read.get(id) ?? { bytes: 0, answers: {} };
    this.#read.set(id, read);
    read.bytes += bytes;
    if (answer !== undefined) read.answers[answer] = (read.answers[answer] ?? 0) + 1;
  }
}

/** An HTTP client is loaded where there is an origin to read with it. */
async function httpReader(): Promise<{ WorkerRegistry: typeof WorkerRegistry }> {
  return await import('./worker-registry.ts');
}
