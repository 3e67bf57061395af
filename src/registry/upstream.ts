import type { Origin } from '../origin/origin.ts';
import type { BlobExchange, BlobFetch, BlobRequest, TransferStatus } from '../swarm/swarm.ts';
import type { Digest } from '../oci/digest.ts';
import type { ByteRange } from './http/range.ts';
import type { ImageResolver } from './images/image-resolver.ts';

/** What answers for the images of one registry. */
export interface Upstream {
  readonly resolver: ImageResolver;
  /** Blobs between the members; what no member has is read from this registry. */
  readonly exchange: BlobExchange;
  /** The registry itself; undefined while it has not been learned. */
  readonly origin: () => Origin | undefined;
}

/** The exchange for the repositories of a registry that is not the swarm's own origin. */
export class MirrorExchange implements BlobExchange {
  readonly #exchange: BlobExchange;
  readonly #origin: Origin;

  constructor(exchange: BlobExchange, origin: Origin) {
    this.#exchange = exchange;
    this.#origin = origin;
  }

  fetch(request: BlobRequest): BlobFetch {
    return this.#exchange.fetch({ ...request, origin: this.#origin });
  }

  findable(digest: Digest, signal: AbortSignal): Promise<boolean> {
    return this.#exchange.findable(digest, signal);
  }

  readHeld(digest: Digest, range: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#exchange.readHeld(digest, range, signal);
  }

  transfers(): readonly TransferStatus[] {
    return this.#exchange.transfers();
  }
}
