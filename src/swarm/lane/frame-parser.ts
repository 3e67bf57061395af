import { decodeFrame, decodeHeader, HEADER_BYTES, type Frame, type Header } from './frame.ts';

/**
 * Cuts the incoming bytes into frames without copying the data: a data frame is given out in as many parts as it arrives in,
 * each a view of the memory that was pushed. Holds no more than what was pushed and not yet taken.
 */
export class FrameParser {
  readonly #check: (header: Header) => void;
  readonly #chunks: Uint8Array[] = [];
  /** Position in the first chunk. */
  #position = 0;
  #buffered = 0;
  /** A header whose payload is not, or not all, here. */
  #header: Header | undefined;
  /** Bytes of the current data frame that are still to come. */
  #dataLeft = 0;

  /** `check` throws when a frame must not even be waited for. */
  constructor(check: (header: Header) => void = () => undefined) {
    this.#check = check;
  }

  /** Bytes that were pushed and not yet given out; their memory is in use. */
  get buffered(): number {
    return this.#buffered;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
  }

  /**
   * Frees the memory that was pushed, by copying what is left of it: to be called when `next` has nothing more, so that this
   * is at most a part of a short frame.
   */
  compact(): void {
    if (this.#buffered === 0) return;
    const left = this.#buffered;
    const rest = Uint8Array.from(this.#take(left)!);
    this.push(rest);
  }

  /**
   * The next frame, or undefined until more bytes came. A `data` frame's bytes are valid until the memory is reused.
   * @throws LayerswarmError `peer-misbehaved`; the parser is of no use after that
   */
  next(): Frame | undefined {
    if (this.#header === undefined) {
      const bytes = this.#take(HEADER_BYTES);
      if (bytes === undefined) return undefined;
      this.#header = decodeHeader(bytes);
      this.#check(this.#header);
      this.#dataLeft = isData(this.#header) ? this.#header.length : 0;
    }
    const header = this.#header;
    if (isData(header)) return this.#nextData(header);
    const payload = this.#take(header.length);
    if (payload === undefined) return undefined;
    this.#header = undefined;
    return decodeFrame(header, payload);
  }

  #nextData(header: Header): Frame | undefined {
    const first = this.#chunks[0];
    if (first === undefined) return undefined;
    const bytes = this.#take(Math.min(this.#dataLeft, first.length - this.#position))!;
    this.#dataLeft -= bytes.length;
    if (this.#dataLeft === 0) this.#header = undefined;
    return decodeFrame(header, bytes);
  }

  /** Exactly `length` bytes in a row, or undefined when they are not here. Copies only where they lie in several chunks. */
  #take(length: number): Uint8Array | undefined {
    if (this.#buffered < length) return undefined;
    this.#buffered -= length;
    const first = this.#chunks[0];
    if (first === undefined) return new Uint8Array(0);
    if (first.length - this.#position >= length) return this.#cut(first, length);
    const joined = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const chunk = this.#chunks[0]!;
      const part = this.#cut(chunk, Math.min(length - at, chunk.length - this.#position));
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }

  #cut(first: Uint8Array, length: number): Uint8Array {
    const part = first.subarray(this.#position, this.#position + length);
    this.#position += length;
    if (this.#position === first.length) {
      this.#chunks.shift();
      this.#position = 0;
    }
    return part;
  }
}

function isData(header: Header): boolean {
  return header.type === 'data';
}
