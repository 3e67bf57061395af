import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { damagedErofs } from './erofs-file-system.ts';

const CHUNK_BYTES = 256 * 1024;
/** Nothing is there, or something else than a file. */
const MISSING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO']);

/** A folder that a program wrote what a hostile file system holds to: only what lies in it is read, whatever links are there. */
export class UnpackedFiles {
  readonly #root: string;
  /** Folders that were looked at and are none but folders; latin1. */
  readonly #folders = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** @param path latin1, without `..`, as a walk of the file system gave it */
  *content(path: string, size: number): Generator<Buffer> {
    const fd = this.#open(path);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size !== size) throw damagedErofs(`${JSON.stringify(path)} was not unpacked as it should be`);
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      for (let done = 0; done < size;) {
        const count = readSync(fd, chunk, 0, Math.min(chunk.length, size - done), done);
        if (count === 0) throw damagedErofs(`${JSON.stringify(path)} is shorter than it says`);
        yield Buffer.from(chunk.subarray(0, count));
        done += count;
      }
    } finally {
      closeSync(fd);
    }
  }

  /** What the file system lists need not be what was unpacked of it. */
  #open(path: string): number {
    try {
      this.#checkFolder(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
      return openSync(this.#place(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined || !MISSING.has(code)) throw error;
      throw damagedErofs(`${JSON.stringify(path)} was not unpacked as it should be`);
    }
  }

  #checkFolder(path: string): void {
    if (this.#folders.has(path)) return;
    if (path !== '') this.#checkFolder(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    if (!lstatSync(this.#place(path)).isDirectory()) throw damagedErofs(`${JSON.stringify(path)} was not unpacked as it should be`);
    this.#folders.add(path);
  }

  #place(path: string): Buffer {
    return Buffer.concat([Buffer.from(this.#root), Buffer.from(`/${path}`, 'latin1')]);
  }
}
