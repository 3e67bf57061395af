import { closeSync, constants, openSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LayerswarmError, type ErrorCode } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { programFile } from '../../program-files.ts';
import { runProgram, type Surroundings } from '../program/run-program.ts';
import { hostSurroundings } from '../program/surroundings.ts';
import type { FilterCounts } from './tar-filter.ts';
import { runTar, type PackedTree } from './tar-program.ts';

export const COMPRESSIONS = ['gzip', 'zstd', 'none'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** Small, so that buffers which are no longer needed are given back soon: the thread holds little else. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 64 } as const;

export interface PackJob {
  /** File descriptor of a pipe's reading end. */
  readonly input: number;
  /** Path of a file that does not exist yet. */
  readonly output: string;
  readonly compression: Compression;
}

interface PackResult extends FilterCounts {
  readonly diffId: string;
  readonly diffSize: number;
  readonly digest: string;
  readonly size: number;
  readonly compressor: string | undefined;
}

export type PackAnswer =
  | { readonly progress: number }
  | { readonly done: PackResult }
  | { readonly failed: { readonly code: ErrorCode; readonly message: string } };

/** A layer in a file, ready to be a blob. */
export interface PackedLayer extends FilterCounts {
  readonly file: string;
  /** Of the uncompressed archive. */
  readonly diffId: Digest;
  /** Bytes, uncompressed. */
  readonly diffSize: number;
  readonly digest: Digest;
  /** Bytes of the file. */
  readonly size: number;
  readonly compression: Compression;
  /** Which program in which version made the file's bytes; undefined without compression. */
  readonly compressor: string | undefined;
}

export interface PackOptions {
  readonly where: Surroundings;
  readonly output: string;
  readonly compression: Compression;
  readonly signal: AbortSignal | undefined;
  /** Called with the bytes that tar has given so far. */
  readonly onProgress: ((bytes: number) => void) | undefined;
}

/** Packs trees, one after the other, into one layer. On failure nothing is left at `output`. */
export async function packLayer(
  trees: readonly PackedTree[],
  { where, output, compression, signal, onProgress }: PackOptions,
): Promise<PackedLayer> {
  const pipe = await makePipe(where.scratch);
  const worker = new Worker(programFile('convert/pack/pack-worker'), {
    workerData: { input: pipe.read, output, compression } satisfies PackJob,
    resourceLimits: WORKER_LIMITS,
  });
  const failure = new AbortController();
  // A worker that fails (the disk is full) no longer reads: tar must not wait for it for ever.
  const packed = receive(worker, onProgress).catch((error: unknown) => {
    failure.abort(error);
    throw error;
  });
  // Rethrown below; tar's failure may come first.
  packed.catch(() => undefined);
  try {
    try {
      for (const [i, tree] of trees.entries())
        await runTar(where, tree, pipe.write, `tar${i}`, AbortSignal.any([failure.signal, ...(signal === undefined ? [] : [signal])]));
    } catch (error) {
      // The worker's own failure is why it was stopped, and not a consequence of it.
      throw failure.signal.aborted ? failure.signal.reason : error;
    } finally {
      closeSync(pipe.write);
    }
    const { diffId, digest, ...rest } = await packed;
    return { ...rest, file: output, diffId: Digest.parse(`sha256:${diffId}`), digest: Digest.parse(`sha256:${digest}`), compression };
  } catch (error) {
    // Until the worker has seen the pipe's end, it may still make the file.
    await packed.catch(() => undefined);
    rmSync(output, { force: true });
    throw error;
  } finally {
    await worker.terminate();
    closeSync(pipe.read);
  }
}

/** Both ends of a new pipe: Node makes none itself, and a child's stdout would be a socket that the main thread has to read. */
async function makePipe(scratch: string): Promise<{ read: number; write: number }> {
  const path = join(scratch, 'pipe');
  await runProgram(hostSurroundings(scratch), 'mkfifo', [path]);
  // Opened for both, so that neither open waits for the other end.
  const both = openSync(path, constants.O_RDWR);
  const read = openSync(path, constants.O_RDONLY);
  const write = openSync(path, constants.O_WRONLY);
  closeSync(both);
  unlinkSync(path);
  return { read, write };
}

function receive(worker: Worker, onProgress: ((bytes: number) => void) | undefined): Promise<PackResult> {
  return new Promise((resolve, reject) => {
    worker.on('message', (answer: PackAnswer) => {
      if ('progress' in answer) onProgress?.(answer.progress);
      else if ('done' in answer) resolve(answer.done);
      else reject(new LayerswarmError(answer.failed.code, `the layer cannot be written: ${answer.failed.message}`));
    });
    worker.on('error', reject);
    worker.on('exit', () => {
      reject(new LayerswarmError('internal', 'the packing thread ended early'));
    });
  });
}
