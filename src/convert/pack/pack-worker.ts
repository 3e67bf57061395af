import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { errorCode } from '../../errors.ts';
import { BlockCompressor, gzipFormat, zstdFormat } from './block-compressor.ts';
import type { PackAnswer, PackJob } from './pack-layer.ts';
import { TarFilter } from './tar-filter.ts';

/*
 * Reads tar's output, hashes it (diff_id), compresses it, hashes that (digest), and writes it: one pass, off the main thread, with
 * blocking reads and writes, which cost half of what streams do.
 */
const CHUNK_BYTES = 1024 * 1024;
/** More would only wait: libuv runs this many at once, unless UV_THREADPOOL_SIZE says otherwise. */
const THREAD_POOL = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
const REPORT_BYTES = 8 * 1024 * 1024;

async function pack({ input, output, compression }: PackJob): Promise<PackAnswer> {
  const file = openSync(output, 'wx', 0o644);
  try {
    const diffId = createHash('sha256');
    const digest = compression === 'none' ? diffId : createHash('sha256');
    let diffSize = 0;
    let size = 0;
    const write = (bytes: Buffer): void => {
      for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
      size += bytes.length;
      if (digest !== diffId) digest.update(bytes);
    };
    const format = compression === 'none' ? undefined : compression === 'gzip' ? gzipFormat() : zstdFormat();
    const compressor = format && new BlockCompressor(format, write, Math.min(availableParallelism(), THREAD_POOL));
    const filter = new TarFilter((bytes) => {
      diffId.update(bytes);
      diffSize += bytes.length;
      if (compressor === undefined) write(bytes);
      else compressor.push(bytes);
    });

    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    let reported = 0;
    for (let filled = CHUNK_BYTES; filled === CHUNK_BYTES;) {
      filled = fill(input, chunk);
      filter.push(chunk.subarray(0, filled));
      await compressor?.drain();
      if (diffSize - reported >= REPORT_BYTES) {
        reported = diffSize;
        parentPort!.postMessage({ progress: diffSize } satisfies PackAnswer, []);
      }
    }
    filter.end();
    await compressor?.end();
    fsyncSync(file);
    return {
      done: {
        diffId: diffId.copy().digest('hex'),
        diffSize,
        digest: digest.digest('hex'),
        size,
        compressor: format?.name,
        ...filter.counts,
      },
    };
  } finally {
    closeSync(file);
  }
}

/** Reads until the chunk is full or the pipe has ended. */
function fill(input: number, chunk: Buffer): number {
  let filled = 0;
  while (filled < chunk.length) {
    const count = readSync(input, chunk, filled, chunk.length - filled, null);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

let answer: PackAnswer;
try {
  answer = await pack(workerData as PackJob);
} catch (error) {
  answer = { failed: { code: errorCode(error), message: error instanceof Error ? error.message : String(error) } };
}
parentPort!.postMessage(answer, []);
