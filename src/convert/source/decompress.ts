import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { onAbort } from '../../async/abort.ts';
import { LayerswarmError } from '../../errors.ts';
import { requirePrograms } from '../program/find-programs.ts';
import { startDaemon, type Surroundings } from '../program/run-program.ts';
import { SparseFile } from './sparse-file.ts';
import type { Wrapping } from './wrapping.ts';

export interface Unpacking {
  readonly where: Surroundings;
  /** Bytes; the largest file that is unpacked. */
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** Called with the bytes that were read of what is unpacked, and how many it has. */
  readonly onUnpack: ((bytes: number, total: number) => void) | undefined;
}

/** Bytes of a file. */
export interface FileRange {
  readonly path: string;
  /** Bytes from the file's start. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

const CHUNK_BYTES = 256 * 1024;

/**
 * Unpacks a compressed file to a sparse one. The program sees no file, only its standard input: no name that it could interpret.
 * @throws LayerswarmError `size-mismatch` for a stream that is damaged or cut short, `too-large`, `disk-full`
 */
export async function decompress(
  input: FileRange,
  { name, program, args }: Extract<Wrapping, { kind: 'compressed' }>,
  target: string,
  { where, limit, signal, onUnpack }: Unpacking,
): Promise<void> {
  requirePrograms([program]);
  const daemon = await startDaemon(where, program, args, 'pipe');
  using _ = onAbort(signal, () => {
    daemon.child.kill('SIGKILL');
  });
  // A program that has ended no longer reads; why it ended is said below.
  const feeding = pipeline(readRange(input, onUnpack), daemon.child.stdin!).catch(() => undefined);
  try {
    using file = new SparseFile(target, limit);
    for await (const chunk of daemon.child.stdout! as AsyncIterable<Buffer>) file.write(chunk);
    await Promise.all([daemon.ended, feeding]);
    signal?.throwIfAborted();
    if (daemon.child.exitCode !== 0)
      throw new LayerswarmError(
        'size-mismatch',
        `the disk is packed with ${name}, and damaged or cut short; copy it again (${daemon.failure().message})`,
      );
  } finally {
    await daemon.stop(0);
  }
}

/** The bytes of a range, in order. */
export async function* readRange(
  { path, offset, size }: FileRange,
  onRead?: (bytes: number, total: number) => void,
): AsyncGenerator<Buffer, void, undefined> {
  if (size === 0) return;
  let done = 0;
  for await (const chunk of createReadStream(path, {
    start: offset,
    end: offset + size - 1,
    highWaterMark: CHUNK_BYTES,
  }) as AsyncIterable<Buffer>) {
    done += chunk.length;
    onRead?.(done, size);
    yield chunk;
  }
}
