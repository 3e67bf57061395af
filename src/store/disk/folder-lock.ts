import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { LayerswarmError } from '../../errors.ts';
import type { StoreLayout } from './store-layout.ts';
import { storeError } from '../store-error.ts';

const SQLITE_BUSY = 5;

/**
 * The store's lock against other processes. Node has no flock(2), SQLite has: an exclusive transaction on an empty database
 * holds fcntl locks, which the kernel releases however the process ends. Nothing else may open that file: closing any
 * descriptor of it would release them (https://sqlite.org/howtocorrupt.html, "Posix advisory locks").
 */
export class FolderLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @throws LayerswarmError `store-locked`, with the holder's pid where it is known; `store-unwritable` */
  static acquire(layout: StoreLayout): FolderLock {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(layout.lock);
      database.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
      writeFileSync(layout.holder, `${process.pid}\n`, { mode: 0o600 });
      return new FolderLock(database);
    } catch (error) {
      database?.close();
      if ((error as { errcode?: number }).errcode === SQLITE_BUSY) throw locked(layout, error);
      throw storeError(error, `lock the store in ${layout.root}`);
    }
  }

  release(): void {
    this.#database.close();
  }
}

function locked(layout: StoreLayout, cause: unknown): LayerswarmError {
  const pid = holderPid(layout);
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new LayerswarmError(
    'store-locked',
    `the store in ${layout.root} is in use by ${holder}; stop it, or give this agent a data folder of its own`,
    { cause, detail: pid === undefined ? {} : { pid } },
  );
}

function holderPid(layout: StoreLayout): number | undefined {
  try {
    const pid = Number(readFileSync(layout.holder, 'utf8').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined; // the holder has not written it yet
  }
}
