import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { LayerswarmError } from '../../errors.ts';
import { fileRange, type SourceFiles, statOf, unreadable } from './source-files.ts';
import { compressionOf, decompressed, type TarHeader, tarHeaders } from './tar-entries.ts';

/** An image has some hundred files; the limit keeps the table of a hostile archive small. */
const MAX_ENTRIES = 100_000;
const MAX_LINKS = 8;
/** An archive that was compressed as a whole is unpacked to a file first, up to this size. */
const MAX_UNPACKED_BYTES = 256 * 2 ** 30;

/** Where the content of an entry lies in the archive. */
interface Extent {
  readonly kind: 'file';
  readonly offset: number;
  readonly size: number;
}

interface Link {
  readonly kind: 'link';
  readonly target: string;
}

/**
 * Files of a tar archive, read where they lie: nothing of it is unpacked, so no name in it can reach the host's own files. Links
 * (which `docker save` uses for layers that occur twice) lead to other entries only.
 */
export class ArchiveFiles implements SourceFiles {
  readonly name: string;
  readonly #handle: FileHandle;
  readonly #entries: ReadonlyMap<string, Extent | Link>;
  readonly #dispose: () => Promise<void>;

  private constructor(name: string, handle: FileHandle, entries: ReadonlyMap<string, Extent | Link>, dispose: () => Promise<void>) {
    this.name = name;
    this.#handle = handle;
    this.#entries = entries;
    this.#dispose = dispose;
  }

  /**
   * Reads the archive once, to know where its files are.
   * @param tempFolder takes the unpacked tar of one that is compressed as a whole
   * @throws `not-found`, `manifest-invalid` when it is no tar archive, `too-large`
   */
  static async open(path: string, tempFolder: string, signal?: AbortSignal): Promise<ArchiveFiles> {
    if (!(await statOf(path)).isFile())
      throw new LayerswarmError('usage', `expected an archive, received ${path}, which is no regular file`);
    const plain = await unpacked(path, tempFolder, signal);
    let handle: FileHandle | undefined;
    try {
      handle = await open(plain.path, 'r');
      const { size } = await handle.stat();
      return new ArchiveFiles(path, handle, await tableOf(handle, size, path, signal), plain.dispose);
    } catch (error) {
      await handle?.close();
      await plain.dispose();
      throw error instanceof LayerswarmError ? error : unreadable(path, error);
    }
  }

  size(path: string): Promise<number | undefined> {
    return Promise.resolve(this.#find(path)?.size);
  }

  async read(path: string, limit: number): Promise<Buffer> {
    const { offset, size } = this.#require(path);
    if (size > limit) throw new LayerswarmError('too-large', `${path} in ${this.name} has ${size} bytes; at most ${limit} are accepted`);
    const chunks: Buffer[] = [];
    for await (const chunk of fileRange(this.#handle, offset, size)) chunks.push(chunk);
    return Buffer.concat(chunks, size);
  }

  async *stream(path: string, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const { offset, size } = this.#require(path);
    yield* fileRange(this.#handle, offset, size, signal);
  }

  async close(): Promise<void> {
    await this.#handle.close();
    await this.#dispose();
  }

  #require(path: string): Extent {
    const found = this.#find(path);
    if (found === undefined) throw new LayerswarmError('not-found', `${this.name} holds no file ${JSON.stringify(path.slice(0, 200))}`);
    return found;
  }

  #find(path: string): Extent | undefined {
    let entry = this.#entries.get(normalize(path) ?? '');
    for (let links = 0; entry?.kind === 'link'; links++) {
      if (links >= MAX_LINKS)
        throw new LayerswarmError('manifest-invalid', `${this.name}: the links of ${JSON.stringify(path.slice(0, 200))} lead too far`);
      entry = this.#entries.get(entry.target);
    }
    return entry;
  }
}

async function tableOf(
  handle: FileHandle,
  size: number,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, Extent | Link>> {
  const entries = new Map<string, Extent | Link>();
  for await (const header of tarHeaders(fileRange(handle, 0, size, signal), name, signal)) add(entries, header, size, name);
  return entries;
}

function add(entries: Map<string, Extent | Link>, header: TarHeader, archiveSize: number, archive: string): void {
  const { name, type, size, byteOffset, linkname } = header;
  const path = normalize(name);
  // what lies outside, and what has no content, is no part of an image
  if (path === undefined) return;
  if (entries.size >= MAX_ENTRIES) throw new LayerswarmError('too-large', `${archive} has more than ${MAX_ENTRIES} files`);
  if (type === 'symlink' || type === 'link') {
    const target = normalize(type === 'symlink' ? posix.join(posix.dirname(path), linkname ?? '') : (linkname ?? ''));
    if (target !== undefined) entries.set(path, { kind: 'link', target });
  } else if (type === 'file' || type === 'contiguous-file') {
    if (byteOffset === undefined || !Number.isSafeInteger(size) || size < 0 || byteOffset + size > archiveSize) {
      throw new LayerswarmError(
        'manifest-invalid',
        `${archive}: the entry ${JSON.stringify(name.slice(0, 200))} reaches beyond the archive`,
      );
    }
    entries.set(path, { kind: 'file', offset: byteOffset, size });
  }
}

/** A relative path within the archive; undefined for any other. */
function normalize(path: string): string | undefined {
  if (path.startsWith('/') || path.includes('\0')) return undefined;
  const clean = posix.normalize(path).replace(/\/$/, '');
  return clean === '.' || clean === '..' || clean.startsWith('../') ? undefined : clean;
}

/** The tar itself: the file, or what is in it when that is compressed. */
async function unpacked(
  path: string,
  tempFolder: string,
  signal: AbortSignal | undefined,
): Promise<{ path: string; dispose: () => Promise<void> }> {
  const compression = compressionOf(await firstBytes(path));
  if (compression === 'none') return { path, dispose: () => Promise.resolve() };
  const folder = await mkdtemp(join(tempFolder, 'archive-'));
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, 'image.tar');
    const handle = await open(file, 'wx', 0o600);
    let written = 0;
    try {
      for await (const chunk of decompressed(createReadStream(path, { highWaterMark: 1 << 20 }), compression)) {
        signal?.throwIfAborted();
        written += chunk.length;
        if (written > MAX_UNPACKED_BYTES) throw new LayerswarmError('too-large', `${path} holds more than ${MAX_UNPACKED_BYTES} bytes`);
        await handle.writeFile(chunk);
      }
    } finally {
      await handle.close();
    }
    return { path: file, dispose };
  } catch (error) {
    await dispose();
    if (signal?.aborted === true || error instanceof LayerswarmError) throw error;
    throw new LayerswarmError('manifest-invalid', `${path} cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

export async function firstBytes(path: string): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(6), 0, 6, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await handle?.close();
  }
}
