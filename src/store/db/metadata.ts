import { existsSync, renameSync, rmSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LayerswarmError } from '../../errors.ts';
import { syncFolder } from '../disk/durable-file.ts';
import { LATER_TABLES, SCHEMA, SCHEMA_VERSION } from './metadata-schema.ts';
import { storeError } from '../store-error.ts';
import type { StoreLayout } from '../disk/store-layout.ts';

// https://sqlite.org/rescode.html
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
const DAMAGED = new Set([SQLITE_CORRUPT, SQLITE_NOTADB]);

/** What callers use of a statement. */
export type Statement = Pick<StatementSync, 'get' | 'all' | 'run'>;

/**
 * The metadata database: write-ahead log, one connection, synchronous calls of some microseconds. A commit survives the
 * death of the process at once, and a power loss after `flush` or the next checkpoint of the log.
 */
export class Metadata {
  readonly #layout: StoreLayout;
  #database: DatabaseSync;
  #log: FileHandle;
  readonly #statements = new Map<string, Statement>();
  /** Called once, when the database turns out to be damaged while it is in use: `replace` it and fill it again. */
  onDamaged: (() => void) | undefined;

  private constructor(layout: StoreLayout, database: DatabaseSync, log: FileHandle) {
    this.#layout = layout;
    this.#database = database;
    this.#log = log;
  }

  /** `fresh` when there was none, or none that can be read; a damaged one is kept under another name. */
  static async open(layout: StoreLayout): Promise<{ metadata: Metadata; fresh: boolean; damaged: boolean }> {
    let opened: { database: DatabaseSync; fresh: boolean; damaged: boolean };
    try {
      opened = { ...openDatabase(layout), damaged: false };
    } catch (error) {
      if (!isDamage(error)) throw storeError(error, `open ${layout.metadata}`);
      opened = { database: makeAnew(layout), fresh: true, damaged: true };
    }
    const { database, fresh, damaged } = opened;
    return { metadata: new Metadata(layout, database, await openLog(layout)), fresh, damaged };
  }

  /** Puts the database aside and begins with an empty one, at once: who asks meanwhile finds it empty, and not closed. */
  async replace(): Promise<void> {
    const formerLog = this.#log;
    this.#statements.clear();
    try {
      this.#database.close();
    } catch {
      // it was damaged
    }
    this.#database = makeAnew(this.#layout);
    this.#log = await openLog(this.#layout);
    await formerLog.close();
  }

  /** A prepared statement; the same one for the same text. */
  statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#watched(this.#run(() => this.#database.prepare(sql)));
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs `work`, whole or not at all. Does not nest. @throws `disk-full`, `store-unwritable` */
  transaction<T>(work: () => T): T {
    try {
      this.#run(() => {
        this.#database.exec('BEGIN IMMEDIATE');
      });
      const result = work();
      this.#run(() => {
        this.#database.exec('COMMIT');
      });
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

  #watched(statement: StatementSync): Statement {
    return {
      get: (...values: Parameters<StatementSync['get']>) => this.#run(() => statement.get(...values)),
      all: (...values: Parameters<StatementSync['all']>) => this.#run(() => statement.all(...values)),
      run: (...values: Parameters<StatementSync['run']>) => this.#run(() => statement.run(...values)),
    } as Statement;
  }

  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (isDamage(error)) {
        const { onDamaged } = this;
        this.onDamaged = undefined;
        onDamaged?.();
      }
      throw error;
    }
  }
}

function makeAnew(layout: StoreLayout): DatabaseSync {
  try {
    renameSync(layout.metadata, `${layout.metadata}.damaged`);
    rmSync(`${layout.metadata}-wal`, { force: true });
    return openDatabase(layout).database;
  } catch (error) {
    throw storeError(error, `make ${layout.metadata} anew`);
  }
}

/** Whether SQLite says that the database is damaged, also as the cause of another error. */
export function isDamage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { errcode } = error as { errcode?: number };
  return errcode === undefined ? isDamage(error.cause) : DAMAGED.has(errcode & 0xff);
}

function openDatabase(layout: StoreLayout): { database: DatabaseSync; fresh: boolean } {
  // a clean end leaves no log
  const endedCleanly = !existsSync(`${layout.metadata}-wal`);
  const database = new DatabaseSync(layout.metadata);
  try {
    // exclusive: no shared memory file, and no one else's writes in between
    database.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=16777216');
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
    if (version > SCHEMA_VERSION) {
      throw new LayerswarmError(
        'store-format',
        `${layout.metadata} has schema ${version}, this version of layerswarm reads up to ${SCHEMA_VERSION}; use a newer layerswarm or another data folder`,
      );
    }
    const fresh = version === 0;
    if (fresh) database.exec(`BEGIN; ${SCHEMA} COMMIT`);
    else database.prepare('SELECT count(*) FROM sqlite_schema').get();
    if (!endedCleanly && !fresh) checkIntegrity(database);
    database.exec(LATER_TABLES);
    return { database, fresh };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** @throws SQLITE_CORRUPT */
function checkIntegrity(database: DatabaseSync): void {
  const found = database.prepare('PRAGMA integrity_check(1)').get() as { integrity_check?: string } | undefined;
  if (found?.integrity_check !== 'ok') throw Object.assign(new Error(found?.integrity_check ?? 'no answer'), { errcode: SQLITE_CORRUPT });
}

/** SQLite's locks are on the database file; the log has none that closing this descriptor could drop. */
async function openLog(layout: StoreLayout): Promise<FileHandle> {
  const log = await open(`${layout.metadata}-wal`, 'r+');
  await syncFolder(layout.root);
  return log;
}
