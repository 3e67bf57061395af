import type { ByteRange, RangeTarget } from './lane.ts';

/** One range on its way in: puts its bytes where they belong, in order, and knows when a write is still under way. */
export class IncomingRange {
  readonly #target: RangeTarget;
  readonly #end: number;
  #offset: number;
  #writing: Promise<void> | undefined;

  constructor(range: ByteRange, target: RangeTarget) {
    this.#target = target;
    this.#offset = range.start;
    this.#end = range.end;
  }

  /** Bytes that have not been given to `write` yet. */
  get missing(): number {
    return this.#end - this.#offset;
  }

  /**
   * Writes the next bytes, at most `missing`. A promise when the target needs one: no other write before it resolved. It never
   * rejects: what the target throws goes to `onError`.
   */
  write(bytes: Uint8Array, onError: (error: unknown) => void): Promise<void> | undefined {
    const offset = this.#offset;
    this.#offset += bytes.length;
    let result: Promise<void> | void;
    try {
      result = this.#target.write(offset, bytes);
    } catch (error) {
      onError(error);
      return undefined;
    }
    if (result === undefined) return undefined;
    this.#writing = this.#finish(result, onError);
    return this.#writing;
  }

  /** Calls `then` when no write is under way. */
  whenIdle(then: () => void): void {
    if (this.#writing === undefined) then();
    else void this.#writing.then(then);
  }

  async #finish(writing: Promise<void>, onError: (error: unknown) => void): Promise<void> {
    try {
      await writing;
      this.#writing = undefined;
    } catch (error) {
      this.#writing = undefined;
      onError(error);
    }
  }
}
