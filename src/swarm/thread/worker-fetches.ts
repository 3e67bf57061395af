import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { Exchange, ExchangeFetch } from '../exchange/exchange.ts';

import type { ProgressReports } from './progress-reports.ts';
import type { FetchParams, WorkerMethods } from './thread-protocol.ts';
import type { WorkerOrigins } from './worker-origins.ts';

/** What the main thread has asked the exchange for, and still wants. */
export class WorkerFetches {
  readonly #exchange: Exchange;
  readonly #origins: WorkerOrigins;
  readonly #progress: ProgressReports;
  readonly #fetches = new Map<number, ExchangeFetch>();

  constructor(exchange: Exchange, origins: WorkerOrigins, progress: ProgressReports) {
    this.#exchange = exchange;
    this.#origins = origins;
    this.#progress = progress;
  }

  readonly handlers = {
    fetch: ({ id, digest, size, repository, origin, shared, isAbsent, sources, pull }: FetchParams): void => {
      this.#fetches.set(
        id,
        this.#exchange.fetch({
          digest: Digest.parse(digest),
          repository,
          shared,
          isAbsent,
          pull,
          ...(size === undefined ? {} : { size }),
          ...(origin === undefined ? {} : { origin: this.#origins.get(origin) }),
          ...(sources === undefined ? {} : { sources }),
        }),
      );
    },
    size: async ({ id }: { id: number }): Promise<number> => await this.#get(id).size(),
    done: async ({ id }: { id: number }): Promise<void> => {
      try {
        await this.#get(id).done();
      } finally {
        // Whoever hears of the end looks at how it went.
        this.#progress.now();
      }
    },
    release: ({ id }: { id: number }): void => {
      this.#fetches.get(id)?.release();
      this.#fetches.delete(id);
    },
    vouched: async ({ id, offset, wanted }: WorkerMethods['vouched']['params']): Promise<Uint8Array | undefined> =>
      await this.#fetches.get(id)?.vouchedPiece(offset, wanted),
  };

  #get(id: number): ExchangeFetch {
    const fetch = this.#fetches.get(id);
    if (fetch === undefined) throw new LayerswarmError('aborted', 'nobody waits for this blob any more');
    return fetch;
  }
}
