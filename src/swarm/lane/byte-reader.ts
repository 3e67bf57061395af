/** Gives out the bytes of one range in parts, for the send queue. */
export interface ByteReader {
  /** The next bytes, at least one, or undefined at the end. Not called again before the last promise resolved. */
  read(): Promise<Uint8Array | undefined> | Uint8Array | undefined;
  /** Before each part there is room for the header of a frame, in the same memory. */
  readonly hasHeaderRoom?: boolean;
  /** A part that `read` gave is sent, and its memory can be reused. Not called for every part: see `LaneTransport.send`. */
  free?(part: Uint8Array): void;
  /** The range is done with, at its end or before. Idempotent. */
  close(): void;
}

/** Bytes in memory, in one part. */
export function memoryReader(bytes: Uint8Array): ByteReader {
  let left: Uint8Array | undefined = bytes.length === 0 ? undefined : bytes;
  return {
    read() {
      const part = left;
      left = undefined;
      return part;
    },
    close() {
      left = undefined;
    },
  };
}
