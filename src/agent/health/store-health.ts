import type { Logger } from '../../log.ts';
import type { LayerswarmError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';

export interface StoreRefusal {
  readonly reason: string;
  /** Room is all that it lacks. */
  readonly isFull: boolean;
}

/** Whether the store takes what is pulled. What it does not take is passed through from the registry, so pulls go on meanwhile. */
export class StoreHealth {
  readonly #store: Pick<Store, 'takes'>;
  readonly #log: Logger;
  #refusal: (StoreRefusal & { readonly size: number; readonly error: LayerswarmError }) | undefined;

  constructor(store: Pick<Store, 'takes'>, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** Why the store takes no new blobs; undefined while it does. */
  get refusal(): StoreRefusal | undefined {
    return this.#refusal;
  }

  /** A blob of `size` bytes was refused. Said once in the log, until the store takes such a blob again. */
  refused(error: LayerswarmError, size: number): void {
    if (this.#refusal === undefined)
      this.#log.warn(`the store takes no new blobs, which pass through from their registry to clients until it does: ${error.message}`);
    this.#refusal = {
      reason: error.message,
      isFull: error.code === 'disk-full',
      error,
      size: Math.min(size, this.#refusal?.size ?? Number.POSITIVE_INFINITY),
    };
  }

  /** What a blob of `size` bytes would be refused with, as far as is known. */
  refusalOf(size: number): LayerswarmError | undefined {
    return this.#refusal !== undefined && size >= this.#refusal.size ? this.#refusal.error : undefined;
  }

  /** Looks whether what was refused would be taken now. */
  async look(): Promise<void> {
    const refusal = this.#refusal;
    if (refusal === undefined || !(await this.#store.takes(refusal.size)) || this.#refusal !== refusal) return;
    this.#refusal = undefined;
    this.#log.info('the store takes new blobs again');
  }
}
