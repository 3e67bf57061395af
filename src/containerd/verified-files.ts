import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Digest } from '../oci/digest.ts';
import type { Checkpoints } from '../store/blob-store.ts';

/** What tells one content of a file from another without reading it. */
export interface FileIdentity {
  readonly inode: bigint;
  readonly modifiedNs: bigint;
  readonly size: number;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS verified (
  digest TEXT PRIMARY KEY, inode TEXT NOT NULL, modified TEXT NOT NULL, size INTEGER NOT NULL, length INTEGER NOT NULL, digests BLOB NOT NULL
) STRICT`;

/**
 * Files of another store whose bytes were read and found right, with the digests of their prefixes. Only a memory of work that was
 * done: what cannot be read is made anew.
 */
export class VerifiedFiles {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  static open(path: string): VerifiedFiles {
    try {
      return VerifiedFiles.#open(path);
    } catch {
      for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true });
      return VerifiedFiles.#open(path);
    }
  }

  static #open(path: string): VerifiedFiles {
    const database = new DatabaseSync(path);
    try {
      database.exec(`PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; ${SCHEMA}`);
      return new VerifiedFiles(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Undefined unless that very file was verified. */
  get(digest: Digest, file: FileIdentity): Checkpoints | undefined {
    const row = this.#database
      .prepare('SELECT length, digests FROM verified WHERE digest = ? AND inode = ? AND modified = ? AND size = ?')
      .get(digest.toString(), String(file.inode), String(file.modifiedNs), file.size) as
      | { length: number; digests: Uint8Array }
      | undefined;
    if (row === undefined) return undefined;
    const width = digest.bytes().length;
    const bytes = Buffer.from(row.digests);
    return {
      size: file.size,
      checkpointLength: row.length,
      digests: Array.from({ length: bytes.length / width }, (_, index) => bytes.subarray(index * width, (index + 1) * width)),
    };
  }

  set(digest: Digest, file: FileIdentity, { checkpointLength, digests }: Checkpoints): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?, ?, ?)')
      .run(digest.toString(), String(file.inode), String(file.modifiedNs), file.size, checkpointLength, Buffer.concat(digests));
  }

  delete(digest: Digest): void {
    this.#database.prepare('DELETE FROM verified WHERE digest = ?').run(digest.toString());
  }

  close(): void {
    this.#database.close();
  }
}
