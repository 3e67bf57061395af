import { LayerswarmError } from '../errors.ts';
import type { RangeTarget } from './lane/lane.ts';

/** Turns what a lane writes into something to iterate over: one chunk at a time, the lane waits until it was taken. */
export class ChunkQueue implements RangeTarget, AsyncIterable<Uint8Array> {
  #offset: number;
  #chunk: { bytes: Uint8Array; taken: () => void } | undefined;
  #state:
    | { readonly kind: 'open' }
    | { readonly kind: 'ended' }
    | { readonly kind: 'failed'; readonly error: LayerswarmError }
    | { readonly kind: 'closed' } = { kind: 'open' };
  #wake: (() => void) | undefined;

  /** `start`: where the first chunk must begin. */
  constructor(start: number) {
    this.#offset = start;
  }

  async write(offset: number, chunk: Uint8Array): Promise<void> {
    if (this.#state.kind !== 'open') throw new LayerswarmError('aborted', 'nobody reads this range any more');
    if (offset !== this.#offset || this.#chunk !== undefined)
      throw new LayerswarmError('internal', `expected a chunk at byte ${this.#offset}, received one at ${offset}`);
    this.#offset += chunk.length;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    // A copy: the lane uses the memory again, and who iterates may keep what it got.
    this.#chunk = {
      bytes: Uint8Array.from(chunk),
      taken: () => {
        resolve(undefined);
      },
    };
    this.#wake?.();
    await promise;
  }

  end(): void {
    this.#settle({ kind: 'ended' });
  }

  fail(error: LayerswarmError): void {
    this.#settle({ kind: 'failed', error });
  }

  /** Nobody reads on; a write that waits is let go. */
  close(): void {
    this.#settle({ kind: 'closed' });
    this.#chunk?.taken();
    this.#chunk = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunk;
      if (chunk !== undefined) {
        this.#chunk = undefined;
        chunk.taken();
        yield chunk.bytes;
      } else if (this.#state.kind === 'open') {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (this.#state.kind === 'failed') {
        throw this.#state.error;
      } else {
        return;
      }
    }
  }

  #settle(
    state: { readonly kind: 'ended' } | { readonly kind: 'failed'; readonly error: LayerswarmError } | { readonly kind: 'closed' },
  ): void {
    if (this.#state.kind === 'open') this.#state = state;
    this.#wake?.();
  }
}
