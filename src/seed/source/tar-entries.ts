import { PassThrough, pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { LayerswarmError } from '../../errors.ts';

export type TarCompression = 'none' | 'gzip' | 'zstd';

/** `byteOffset`: where the content begins, counted from the beginning of the tar. */
export type TarHeader = Header & { readonly byteOffset?: number };

/**
 * The headers of a tar archive, in order; contents are passed over.
 * @throws `manifest-invalid` when it is no tar archive, ends early or is empty; what `bytes` throws, when that is a LayerswarmError
 */
export async function* tarHeaders(
  bytes: AsyncIterable<Uint8Array>,
  name: string,
  signal?: AbortSignal,
): AsyncGenerator<TarHeader, void, undefined> {
  const parser = extract();
  const feeding = feed(bytes, parser);
  let entries = 0;
  try {
    for await (const entry of parser) {
      entries++;
      yield entry.header;
      entry.resume();
    }
    await feeding;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LayerswarmError) throw error;
    throw new LayerswarmError(
      'manifest-invalid',
      `${name} is not a whole tar archive: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  } finally {
    await feeding;
  }
  if (entries === 0) throw new LayerswarmError('manifest-invalid', `${name} is an empty archive, or none`);
}

/** A failure of the source is the parser's, and so reaches whoever reads the entries. */
async function feed(bytes: AsyncIterable<Uint8Array>, parser: ReturnType<typeof extract>): Promise<void> {
  try {
    for await (const chunk of bytes) {
      if (parser.destroyed) return;
      if (!parser.write(chunk)) await drained(parser);
    }
    parser.end(undefined);
  } catch (error) {
    parser.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Also when it is destroyed, after which nothing drains. */
async function drained(parser: ReturnType<typeof extract>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => resolve();
  parser.once('drain', done).once('close', done);
  await promise;
  parser.off('drain', done).off('close', done);
}

/** RFC 1952 and RFC 8878 by their magic numbers. @throws `unsupported` for what images are not compressed with */
export function compressionOf(beginning: Buffer): TarCompression {
  const magic = beginning.toString('hex');
  if (magic.startsWith('1f8b')) return 'gzip';
  if (magic.startsWith('28b52ffd')) return 'zstd';
  const other = magic.startsWith('fd377a585a00') ? 'xz' : magic.startsWith('425a68') ? 'bzip2' : undefined;
  if (other !== undefined)
    throw new LayerswarmError(
      'unsupported',
      `expected a tar archive, or one that is compressed with gzip or zstd, received ${other}: unpack it first`,
    );
  return 'none';
}

export function decompressed(bytes: AsyncIterable<Uint8Array>, compression: TarCompression): AsyncIterable<Buffer> {
  const output = compression === 'none' ? new PassThrough() : compression === 'gzip' ? createGunzip() : createZstdDecompress();
  // an error destroys the output, and so reaches whoever reads it
  pipeline(Readable.from(bytes, { objectMode: false }), output, () => undefined);
  return output;
}
