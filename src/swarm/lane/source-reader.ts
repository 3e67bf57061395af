import type { ByteReader } from './byte-reader.ts';
import { HEADER_BYTES, MAX_DATA_BYTES } from './frame.ts';
import type { ByteRange, ByteSource } from './lane.ts';

/** Buffers kept for reuse, 8 MiB. Reading into a fresh one each time costs three times the CPU. */
const MAX_POOLED = 32;

const pool: Buffer[] = [];

/**
 * Reads a range of a source, one buffer ahead of what is being sent where the source takes its time. Before each part there is room for the
 * header of its frame, so that both go out as one. `closed` is called once, when the source is needed no longer.
 */
export function sourceReader(source: ByteSource, { start, end }: ByteRange, closed?: () => void): ByteReader {
  let at = start;
  let ending = false;
  /** Reads under way: a descriptor must not be closed, and perhaps given out again, below one. */
  let reading = 0;
  /** The next part, if it was begun on. */
  let ahead: Promise<Uint8Array | undefined> | Uint8Array | undefined;
  const finish = (): void => {
    if (ending && reading === 0) closed?.();
  };
  const fetch = (): Promise<Uint8Array | undefined> | Uint8Array | undefined => {
    if (at >= end || ending) return undefined;
    const buffer = pool.pop() ?? Buffer.allocUnsafeSlow(HEADER_BYTES + MAX_DATA_BYTES);
    const part = buffer.subarray(HEADER_BYTES, HEADER_BYTES + Math.min(MAX_DATA_BYTES, end - at));
    const done = source.readInto(part, at);
    at += part.length;
    return done instanceof Promise ? follow(done, part) : part;
  };
  const follow = async (done: Promise<void>, part: Uint8Array): Promise<Uint8Array> => {
    reading += 1;
    try {
      await done;
      return part;
    } finally {
      reading -= 1;
      finish();
    }
  };
  const readAhead = (): void => {
    const next = fetch();
    ahead = next;
    // Without a wait where it can be: a long range would lose its turn to another one. A failure is reported when the part is asked for.
    if (next instanceof Promise) void keep(next);
  };
  const keep = async (next: Promise<Uint8Array | undefined>): Promise<void> => {
    const part = await next.catch(() => undefined);
    if (ahead === next && part !== undefined) ahead = part;
  };
  return {
    read() {
      const part = ahead ?? fetch();
      ahead = undefined;
      if (!(part instanceof Promise)) {
        readAhead();
        return part;
      }
      return part.then((arrived) => {
        readAhead();
        return arrived;
      });
    },
    hasHeaderRoom: true,
    free(part) {
      if (pool.length < MAX_POOLED) pool.push(Buffer.from(part.buffer));
    },
    close() {
      if (ending) return;
      ending = true;
      finish();
    },
  };
}
