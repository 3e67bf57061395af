import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LayerswarmError } from '../errors.ts';
import { syncFolder } from './durable-file.ts';
import { LATER_TABLES, SCHEMA, SCHEMA_VERSION } from './metadata-schema.ts';
import { storeError } from './store-error.ts';
import type { StoreLayout } from './store-layout.ts';

/** SQLITE_CORRUPT, SQLITE_NOTADB. https://sqlite.org/rescode.html */
const DAMAGED = new Set([11, 26]);

/**
 * The metadata database: write-ahead log, one connection, synchronous calls of some microseconds. A commit survives the
 * death of the process at once, and a power loss after `flush` or the next checkpoint of the log.
 */
export class Metadata {
  readonly #database: DatabaseSync;
  readonly #log: FileHandle;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(database: DatabaseSync, log: FileHandle) {
    this.#database = database;
    this.#log = log;
  }

  /** `fresh` when there was none, or none that can be read; a damaged one is kept under another name. */
  static async open(layout: StoreLayout): Promise<{ metadata: Metadata; fresh: boolean; damaged: boolean }> {
    try {
      return { ...(await Metadata.#open(layout)), damaged: false };
    } catch (error) {
      if (!DAMAGED.has((error as { errcode?: number }).errcode ?? -1)) throw storeError(error, `open ${layout.metadata}`);
    }
    try {
      await rename(layout.metadata, `${layout.metadata}.damaged`);
      await rm(`${layout.metadata}-wal`, { force: true });
      return { ...(await Metadata.#open(layout)), damaged: true };
    } catch (error) {
      throw storeError(error, `make ${layout.metadata} anew`);
    }
  }

  static async #open(layout: StoreLayout): Promise<{ metadata: Metadata; fresh: boolean }> {
    const database = new DatabaseSync(layout.metadata);
    try {
      // exclusive: no shared memory file, and no one else's writes in between
      database.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=16777216');
      const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
      if (version > SCHEMA_VERSION) {
        throw new LayerswarmError('store-format', `${layout.metadata} has schema ${version}, this version of layerswarm reads up to ${SCHEMA_VERSION}; use a newer layerswarm or another data folder`);
      }
      const fresh = version === 0;
      if (fresh) database.exec(`BEGIN; ${SCHEMA} COMMIT`);
      else database.prepare('SELECT count(*) FROM sqlite_schema').get();
      database.exec(LATER_TABLES);
      // SQLite's locks are on the database file; the log has none that closing this descriptor could drop
      const log = await open(`${layout.metadata}-wal`, 'r+');
      await syncFolder(layout.root);
      return { metadata: new Metadata(database, log), fresh };
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** A prepared statement; the same one for the same text. */
  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs `work`, whole or not at all. Does not nest. @throws `disk-full`, `store-unwritable` */
  transaction<T>(work: () => T): T {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw storeError(error, 'write the metadata');
    }
  }

  /** Resolves when everything committed so far is on the disk; waits in the thread pool. @throws `disk-full`, `store-unwritable` */
  async flush(): Promise<void> {
    try {
      await this.#log.datasync();
    } catch (error) {
      throw storeError(error, 'sync the metadata');
    }
  }

  async close(): Promise<void> {
    await this.#log.close();
    this.#database.close();
  }
}
