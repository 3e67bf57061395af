import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onAbort } from '../../async/abort.ts';
import { LayerswarmError } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import type { Checkpoints, WriteOptions } from '../blob-store.ts';
import { writeFully } from '../disk/file-io.ts';
import { PrefixHash } from '../partial/prefix-hash.ts';
import { storeError } from '../store-error.ts';

/** Longer chunks are hashed in parts of this length, with other work in between. */
const MAX_HASHED_AT_ONCE = 1024 * 1024;

export interface WrittenBlob {
  readonly path: string;
  readonly digest: Digest;
  readonly checkpoints: Checkpoints;
}

/**
 * Writes a whole blob to a file in `tempFolder`, hashed while it streams, verified and synced, and hands it to `publish`, which
 * gives it its name. Whatever happens, no file is left in the folder.
 */
export async function writeTempBlob(
  source: AsyncIterable<Uint8Array>,
  tempFolder: string,
  options: WriteOptions,
  publish: (blob: WrittenBlob) => Promise<void>,
): Promise<WrittenBlob> {
  const path = join(tempFolder, randomUUID());
  try {
    const blob = await writeFile(source, path, options);
    await publish(blob);
    return blob;
  } catch (error) {
    // what a bad disk keeps goes when the store opens, and is no reason to forget why nothing was written
    await rm(path, { force: true }).catch(() => undefined);
    throw storeError(error, `write ${options.expected?.toString() ?? 'a blob'}`);
  }
}

async function writeFile(source: AsyncIterable<Uint8Array>, path: string, options: WriteOptions): Promise<WrittenBlob> {
  const { signal, expected, expectedSize } = options;
  const algorithm = expected?.algorithm ?? 'sha256';
  const limit = Math.min(options.maxBytes ?? Infinity, expectedSize ?? Infinity);
  const hash = new PrefixHash(algorithm);
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of untilAborted(source, signal)) {
      const { position } = hash;
      if (position + chunk.length > limit) throw tooLong(options, limit);
      if (chunk.length === 0) continue;
      const written = writeFully(file.fd, chunk, position);
      const [hashing, writing] = await Promise.allSettled([hashInParts(hash, chunk), written]);
      if (writing.status === 'rejected') throw writing.reason;
      if (hashing.status === 'rejected') throw hashing.reason;
    }
    const size = hash.position;
    if (expectedSize !== undefined && size !== expectedSize) {
      throw new LayerswarmError('size-mismatch', `expected ${expectedSize} bytes${of(expected)}, received ${size}`);
    }
    const actual = hash.finish();
    const digest = Digest.parse(`${algorithm}:${actual.toString('hex')}`);
    if (expected !== undefined && !digest.equals(expected)) {
      throw new LayerswarmError('digest-mismatch', `expected ${expected.toString()}, received bytes with digest ${digest.toString()}`);
    }
    await file.sync();
    return { path, digest, checkpoints: { size, checkpointLength: hash.checkpointLength, digests: hash.digests } };
  } catch (error) {
    // a program that is being started holds a copy of every open file for a moment, and with it the room that removing gives back
    await file.truncate(0).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/** Ends with `aborted` also while the source itself is silent. */
async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => undefined); // it is raced below
  using _ = onAbort(signal, () => {
    reject(new LayerswarmError('aborted', 'the write was aborted', { cause: signal.reason }));
  });
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    // not waited for: a source that hangs would hold up its own end
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

async function hashInParts(hash: PrefixHash, chunk: Uint8Array): Promise<void> {
  for (let start = 0; start < chunk.length; start += MAX_HASHED_AT_ONCE) {
    if (start > 0) await new Promise((resolve) => setImmediate(resolve));
    hash.update(chunk.length <= MAX_HASHED_AT_ONCE ? chunk : chunk.subarray(start, start + MAX_HASHED_AT_ONCE));
  }
}

function tooLong({ expected, expectedSize }: WriteOptions, limit: number): LayerswarmError {
  return limit === expectedSize
    ? new LayerswarmError('size-mismatch', `expected ${expectedSize} bytes${of(expected)}, received more`)
    : new LayerswarmError('too-large', `received more than the ${limit} bytes that are allowed${of(expected)}`);
}

function of(expected: Digest | undefined): string {
  return expected === undefined ? '' : ` of ${expected.toString()}`;
}
