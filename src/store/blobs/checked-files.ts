import type { Digest } from '../../oci/digest.ts';
import type { FileIdentity } from './blob-check.ts';
import type { Metadata } from '../db/metadata.ts';

interface Checked {
  readonly file: FileIdentity;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** When the file of each blob was last read whole and found right. Only a memory of work that was done: without it the work is done again. */
export class CheckedFiles {
  readonly #metadata: Metadata;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  /** Digests that a disk which takes nothing cannot forget. */
  readonly #forgotten = new Set<string>();

  /** @param maxAgeMs what is longer ago does not count, since disks lose bits by themselves */
  constructor(metadata: Metadata, maxAgeMs: number, now: () => number) {
    this.#metadata = metadata;
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
  }

  has(digest: Digest, file: FileIdentity): boolean {
    if (this.#forgotten.has(digest.toString())) return false;
    const row = this.#metadata.statement('SELECT file, at FROM checked_files WHERE digest = ?').get(digest.toString()) as unknown as
      | Checked
      | undefined;
    // A clock that was set back makes nothing older.
    return row !== undefined && row.file === file && Math.abs(this.#now() - row.at) < this.#maxAgeMs;
  }

  add(digest: Digest, file: FileIdentity): void {
    try {
      this.#metadata.statement('INSERT OR REPLACE INTO checked_files VALUES (?, ?, ?)').run(digest.toString(), file, this.#now());
      this.#forgotten.delete(digest.toString());
    } catch {
      // It is read again.
    }
  }

  forget(digest: Digest): void {
    try {
      this.#metadata.statement('DELETE FROM checked_files WHERE digest = ?').run(digest.toString());
    } catch {
      this.#forgotten.add(digest.toString());
    }
  }
}
