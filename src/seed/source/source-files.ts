import { constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerswarmError } from '../../errors.ts';

/** The files of a layout, wherever they lie. Paths are relative, with "/", and never leave the layout. */
export interface SourceFiles {
  /** For people. */
  readonly name: string;
  /** Bytes; undefined when there is no such regular file. */
  size(path: string): Promise<number | undefined>;
  /** @throws `not-found`; `too-large` beyond `limit` bytes */
  read(path: string, limit: number): Promise<Buffer>;
  /** From the beginning at each call. @throws `not-found` */
  stream(path: string, signal?: AbortSignal): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

const CHUNK_BYTES = 1 << 20;

/** Bytes [start, start + length) of an open file. @throws `verification-failed` when it ends before them */
export async function* fileRange(
  handle: FileHandle,
  start: number,
  length: number,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < length;) {
    signal?.throwIfAborted();
    const { bytesRead, buffer } = await handle.read(
      Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length - at)),
      0,
      Math.min(CHUNK_BYTES, length - at),
      start + at,
    );
    if (bytesRead === 0)
      throw new LayerswarmError('verification-failed', 'a file became shorter while it was read: seed it again when nobody writes to it');
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Files of a folder. Links are not followed: the folder may come from somebody else, and the agent may read more than its maker. */
export class FolderFiles implements SourceFiles {
  readonly name: string;
  readonly #root: string;

  private constructor(root: string) {
    this.name = root;
    this.#root = root;
  }

  /** @throws `not-found`, `usage` when it is no folder */
  static async open(folder: string): Promise<FolderFiles> {
    if (!(await statOf(folder)).isDirectory())
      throw new LayerswarmError('usage', `expected a folder with an OCI layout, received ${folder}, which is none`);
    return new FolderFiles(await realpath(folder));
  }

  async size(path: string): Promise<number | undefined> {
    const handle = await this.#open(path);
    try {
      return handle === undefined ? undefined : (await handle.stat()).size;
    } finally {
      await handle?.close();
    }
  }

  async read(path: string, limit: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of this.stream(path)) {
      length += chunk.length;
      if (length > limit) throw new LayerswarmError('too-large', `${join(this.name, path)} has more than ${limit} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, length);
  }

  async *stream(path: string, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const handle = await this.#open(path);
    if (handle === undefined) throw new LayerswarmError('not-found', `${join(this.name, path)} is not there`);
    try {
      yield* fileRange(handle, 0, (await handle.stat()).size, signal);
    } finally {
      await handle.close();
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Paths here are made of digests and fixed names, so only the links on the way have to be watched. */
  async #open(path: string): Promise<FileHandle | undefined> {
    const full = join(this.#root, path);
    try {
      if ((await realpath(full)) !== full)
        throw new LayerswarmError(
          'unsupported',
          `${join(this.name, path)} is reached by a link, which is not followed: copy the file in its place`,
        );
      const handle = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      if ((await handle.stat()).isFile()) return handle;
      await handle.close();
      return undefined;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error instanceof LayerswarmError ? error : unreadable(join(this.name, path), error);
    }
  }
}

/** @throws `not-found`, `denied` */
export async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>>> {
  try {
    return await stat(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

export function unreadable(path: string, cause: unknown): LayerswarmError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new LayerswarmError('not-found', `${path} is not there; the agent reads it, on its own host`, { cause });
  if (code === 'EACCES' || code === 'EPERM')
    return new LayerswarmError('denied', `the agent may not read ${path}: give its user access, or copy it where it has some`, { cause });
  return new LayerswarmError('internal', `cannot read ${path}: ${code ?? String(cause)}`, { cause });
}
