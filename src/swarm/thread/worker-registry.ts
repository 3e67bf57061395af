import type { Digest } from '../../oci/digest.ts';
import { type BlobHttp, BlobReader } from '../../origin/blob-reader.ts';
import type { BlobRange } from '../../origin/origin.ts';
import { ByteRate } from '../../origin/budget.ts';
import { systemClock } from '../../origin/clock.ts';
import { type Failure, transportFailure } from '../../origin/origin-error.ts';
import type { RegistryRequest } from '../../origin/registry-request.ts';
import type { RemoteReads } from '../../origin/remote-reads.ts';
import { type Dispatchers, makeDispatchers } from '../../origin/tls.ts';
import type { Answer } from '../../origin/transport.ts';
import type { RangeUse } from '../swarm.ts';
import type { PortRpc } from './port-rpc.ts';
import type { MainMethods, OriginRef, WorkerMethods } from './thread-protocol.ts';
import type { WorkerAnswers } from './worker-answers.ts';

export interface WorkerRegistryOptions {
  readonly origin: OriginRef;
  readonly reads: Pick<RemoteReads, 'connections' | 'rate'>;
  readonly answers: WorkerAnswers;
  /** What readings from all origins have to wait for. */
  readonly sharedRate: Pick<ByteRate, 'take'> | undefined;
  readonly main: () => PortRpc<WorkerMethods, MainMethods>;
  /** Bytes have come. */
  count(bytes: number): void;
}

/** A registry as this thread reads blobs from it: over connections of its own, as its client in the main thread says. */
export class WorkerRegistry implements BlobHttp {
  readonly dispatchers: Dispatchers;
  readonly host: string;
  readonly clock = systemClock;
  readonly rates: readonly Pick<ByteRate, 'take'>[];
  readonly #options: WorkerRegistryOptions;
  readonly #blobs: BlobReader;
  #heedsRanges: boolean | undefined;

  constructor(options: WorkerRegistryOptions) {
    const {
      reads: { connections, rate },
      sharedRate,
    } = options;
    this.#options = options;
    this.dispatchers = makeDispatchers(connections);
    this.host = new URL(connections.url).host;
    this.rates = [rate === undefined ? undefined : new ByteRate(rate, systemClock), sharedRate].filter((each) => each !== undefined);
    this.#blobs = new BlobReader(this);
  }

  read(repository: string, digest: Digest, range: BlobRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#blobs.read(repository, digest, range, signal);
  }

  async send(request: RegistryRequest): Promise<Answer> {
    return await this.#options.answers.send(this.#options.origin, this.dispatchers, request);
  }

  failure(what: string, error: unknown, signal: AbortSignal | undefined): Failure {
    return transportFailure(what, this.host, error, signal);
  }

  countBytes(bytes: number): void {
    this.#options.count(bytes);
  }

  get ranges(): RangeUse {
    return this.#heedsRanges === undefined ? 'unknown' : this.#heedsRanges ? 'heeded' : 'ignored';
  }

  tellRanges(heeded: boolean): void {
    if (heeded === this.#heedsRanges) return;
    this.#heedsRanges = heeded;
    this.#options.main().notify('originRanges', { origin: this.#options.origin.id, heeded });
  }
}
