/** Gives out the bytes of one range in parts, for the send queue. */
export interface ByteReader {
  /** The next bytes, at least one, or undefined at the end. Not called again before the last promise resolved. */
  read(): Promise<Uint8Array | undefined> | Uint8Array | undefined;
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
    close() { left = undefined; },
  };
}

/** Chunks of an iterable; the next one is fetched while the last is sent. */
export function iterableReader(chunks: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = chunks[Symbol.asyncIterator]();
  let ahead: Promise<Uint8Array | undefined> | undefined;
  let closed = false;
  const fetch = async (): Promise<Uint8Array | undefined> => {
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return undefined;
      if (next.value.length > 0) return next.value;
    }
  };
  return {
    async read() {
      const part = await (ahead ?? fetch());
      if (part !== undefined && !closed) {
        ahead = fetch();
        // Reported when it is asked for; until then nobody waits for it.
        ahead.catch(() => undefined);
      }
      return part;
    },
    close() {
      if (closed) return;
      closed = true;
      // A generator that is inside `next` ends after it. What it throws while it cleans up concerns nobody here.
      iterator.return?.().catch(() => undefined);
    },
  };
}
