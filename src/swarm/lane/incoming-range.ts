import type { ByteRange, RangeTarget } from './lane.ts';

/** Received bytes of one lane that no target has taken yet; over this the lane is read no further. */
const MAX_UNWRITTEN_BYTES = 512 * 1024;
/** Chunks that wait while another is written go to the target together, up to this many bytes. */
const MAX_JOINED_BYTES = 256 * 1024;

/** Counts what a lane has received and not yet written. */
export class Unwritten {
  #bytes = 0;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** Memory of the transport may be among it. */
  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes > MAX_UNWRITTEN_BYTES / 2) return;
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  /** A promise when it is too much, for when it is not any longer. */
  room(): Promise<void> | undefined {
    if (this.#bytes <= MAX_UNWRITTEN_BYTES) return undefined;
    this.#waiting ??= Promise.withResolvers<void>();
    return this.#waiting.promise;
  }
}

/**
 * One range on its way in: gives its bytes to the target, in order, one write at a time. While the target is at one, what arrives
 * waits, so that a target which needs a moment does not hold up the lane.
 */
export class IncomingRange {
  readonly #target: RangeTarget;
  readonly #unwritten: Unwritten;
  readonly #onError: (error: unknown) => void;
  readonly #end: number;
  /** Of the next byte to arrive. */
  #arrived: number;
  /** Of the next byte to be given to the target. */
  #written: number;
  #queue: Uint8Array[] = [];
  #writing: Promise<void> | undefined;
  #stopped = false;

  /** `onError` is called once with what the target threw; nothing is written after that. */
  constructor(range: ByteRange, target: RangeTarget, unwritten: Unwritten, onError: (error: unknown) => void) {
    this.#target = target;
    this.#unwritten = unwritten;
    this.#onError = onError;
    this.#arrived = range.start;
    this.#written = range.start;
    this.#end = range.end;
  }

  /** Bytes that have not arrived yet. */
  get missing(): number {
    return this.#end - this.#arrived;
  }

  /** What comes before the bytes. */
  noted(note: Uint8Array): void {
    try {
      this.#target.noted?.(note);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The next bytes, at most `missing`. Their memory is in use until `Unwritten` has counted them out. */
  take(bytes: Uint8Array): void {
    this.#arrived += bytes.length;
    if (this.#stopped) return;
    if (this.#writing !== undefined) {
      this.#unwritten.add(bytes.length);
      this.#queue.push(bytes);
      return;
    }
    const writing = this.#write(bytes);
    if (writing === undefined) return;
    this.#unwritten.add(bytes.length);
    this.#writing = this.#writeOn(writing, bytes.length);
  }

  /** Gives the target nothing more. */
  stop(): void {
    this.#stopped = true;
    for (const bytes of this.#queue) this.#unwritten.remove(bytes.length);
    this.#queue = [];
  }

  /** Calls `then` when the target has everything that arrived, or all that it will get. */
  whenIdle(then: () => void): void {
    if (this.#writing === undefined) then();
    else void this.#writing.then(then);
  }

  #write(bytes: Uint8Array): Promise<void> | undefined {
    const offset = this.#written;
    this.#written += bytes.length;
    try {
      return this.#target.write(offset, bytes) ?? undefined;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  /** Never rejects. */
  async #writeOn(first: Promise<void>, firstBytes: number): Promise<void> {
    let [writing, bytes]: [Promise<void> | undefined, number] = [first, firstBytes];
    for (;;) {
      try {
        await writing;
      } catch (error) {
        this.#fail(error);
      }
      this.#unwritten.remove(bytes);
      const next = this.#nextJoined();
      if (next === undefined) break;
      bytes = next.length;
      writing = this.#write(next);
    }
    this.#writing = undefined;
  }

  #nextJoined(): Uint8Array | undefined {
    let length = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || length + this.#queue[count]!.length <= MAX_JOINED_BYTES))
      length += this.#queue[count++]!.length;
    const parts = this.#queue.splice(0, count);
    return parts.length > 1 ? Buffer.concat(parts, length) : parts[0];
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#onError(error);
  }
}
