import { close, open, read } from 'node:fs';
import { promisify } from 'node:util';
import { LayerswarmError } from '../../errors.ts';
import type { ByteReader } from './byte-reader.ts';
import type { FileRange } from './lane.ts';

const READ_BYTES = 256 * 1024;
/** Buffers kept for reuse, 8 MiB. Reading into a fresh one each time costs three times the CPU. */
const MAX_POOLED = 32;

const openFile = promisify<string, string, number>(open);
const readFile = promisify(read);

const pool: Buffer[] = [];

/**
 * Reads a range of a file, one buffer ahead of what is being sent. `closed` is called once, when the file is needed no longer.
 * The reads throw `not-found` when the file is gone, or too short.
 */
export function fileReader(range: FileRange, closed?: () => void): ByteReader {
  let at = range.start;
  let ending = false;
  let ahead: Promise<Buffer | undefined> | undefined;
  /** What `ahead` gave before it was asked for. */
  let ready: Buffer | undefined;
  let descriptor: Promise<number> | undefined;
  const fetch = async (): Promise<Buffer | undefined> => {
    if (at >= range.end || ending) return undefined;
    descriptor ??= openFile(range.path, 'r');
    const fd = await descriptor.catch((cause: unknown) => { throw new LayerswarmError('not-found', `cannot open ${range.path} to serve it to a peer`, { cause }); });
    const buffer = pool.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
    const { bytesRead } = await readFile(fd, buffer, 0, Math.min(READ_BYTES, range.end - at), at);
    if (bytesRead === 0) throw new LayerswarmError('not-found', `${range.path} ends at byte ${at}, before byte ${range.end} that a peer asked for`);
    at += bytesRead;
    return buffer.subarray(0, bytesRead);
  };
  const readAhead = (): void => {
    const reading = fetch();
    ahead = reading;
    void keep(reading);
  };
  const keep = async (reading: Promise<Buffer | undefined>): Promise<void> => {
    // A failure is reported when the part is asked for; until then nobody waits for it.
    const part = await reading.catch(() => undefined);
    if (ahead === reading) ready = part;
  };
  const handOver = async (reading: Promise<Buffer | undefined>): Promise<Buffer | undefined> => {
    const part = await reading;
    readAhead();
    return part;
  };
  return {
    read() {
      // Without a wait where it can be: a long range would lose its turn to another one.
      const part = ready ?? ahead ?? fetch();
      ready = undefined;
      if (!(part instanceof Promise)) {
        readAhead();
        return part;
      }
      ahead = handOver(part);
      return ahead;
    },
    free(part) {
      if (pool.length < MAX_POOLED) pool.push(Buffer.from(part.buffer));
    },
    close() {
      if (ending) return;
      ending = true;
      void closeFile(ahead, descriptor).then(() => closed?.());
    },
  };
}

/** Waits for the read that is under way: a descriptor must not be closed, and perhaps given out again, below it. */
async function closeFile(reading: Promise<unknown> | undefined, descriptor: Promise<number> | undefined): Promise<void> {
  const [, fd] = await Promise.allSettled([reading, descriptor]);
  if (fd.status === 'fulfilled' && fd.value !== undefined) await new Promise<void>((resolve) => { close(fd.value!, () => { resolve(); }); });
}
