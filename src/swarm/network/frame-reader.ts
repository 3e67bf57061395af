import { Uint8ArrayList } from 'uint8arraylist';
import { LayerswarmError } from '../../errors.ts';

/** Bytes of the big-endian length in front of each frame. */
export const LENGTH_BYTES = 4;

/** Cuts what arrives on a control stream into frames. */
export class FrameReader {
  readonly #buffered = new Uint8ArrayList();

  push(chunk: Uint8Array | Uint8ArrayList): void {
    this.#buffered.append(chunk);
  }

  /** The next whole frame, without its length. @throws `peer-misbehaved` for one that is empty or over `maxBytes` */
  next(maxBytes: number): Uint8Array | undefined {
    if (this.#buffered.byteLength < LENGTH_BYTES) return undefined;
    const length = this.#buffered.getUint32(0);
    if (length === 0 || length > maxBytes)
      throw new LayerswarmError('peer-misbehaved', `a frame of ${length} bytes, where 1 to ${maxBytes} are allowed`);
    if (this.#buffered.byteLength < LENGTH_BYTES + length) return undefined;
    const frame = this.#buffered.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
    this.#buffered.consume(LENGTH_BYTES + length);
    return frame;
  }

  /** A frame has begun, and is not yet whole. */
  get partial(): boolean {
    return this.#buffered.byteLength > 0;
  }
}
