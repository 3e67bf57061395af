import { lstatSync, readdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Digest } from '../../oci/digest.ts';
import type { Checkpoints } from '../blob-store.ts';
import type { Metadata } from '../db/metadata.ts';
import { isStoreRefusal } from '../store-error.ts';
import { ALGORITHMS, digestOfName, type StoreLayout } from '../disk/store-layout.ts';

export interface BlobRecord {
  readonly digest: Digest;
  readonly size: number;
  /** Milliseconds since the epoch. */
  usedAt: number;
  origin: boolean;
  /** Open readers. */
  readers: number;
}

interface BlobRow {
  digest: string;
  size: number;
  used_at: number;
  origin: number;
}

/** What opening found out: blobs without metadata, and files that are not what the metadata says. */
export interface CatalogReport {
  readonly adopted: Digest[];
  /** The file has another length than the blob had. Moved to the quarantine. */
  readonly damaged: Digest[];
  /** Metadata without a file. */
  readonly lost: Digest[];
}

/** Every complete blob, in memory, with its row in the database. */
export class BlobCatalog {
  readonly #metadata: Metadata;
  readonly #records = new Map<string, BlobRecord>();
  readonly #used = new Set<BlobRecord>();
  #bytes = 0;

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
  }

  /** How many blobs there are. */
  get count(): number {
    return this.#records.size;
  }

  /** Sum of all sizes. */
  get bytes(): number {
    return this.#bytes;
  }

  get(digest: Digest): BlobRecord | undefined {
    return this.#records.get(digest.toString());
  }

  all(): IterableIterator<BlobRecord> {
    return this.#records.values();
  }

  /**
   * Brings memory, database and folder together. Names and lengths only: a blob got its name when it was verified and synced, so a
   * file without a row is taken in.
   */
  async load(layout: StoreLayout): Promise<CatalogReport> {
    const report: CatalogReport = { adopted: [], damaged: [], lost: [] };
    const rows = new Map((this.#metadata.statement('SELECT * FROM blobs').all() as unknown as BlobRow[]).map((row) => [row.digest, row]));
    const adopted: BlobRecord[] = [];
    for (const { digest, path, size, modifiedAt } of await listBlobFiles(layout)) {
      const row = rows.get(digest.toString());
      if (row === undefined) {
        adopted.push({ digest, size, usedAt: modifiedAt, origin: false, readers: 0 });
      } else if (row.size === size) {
        this.remember({ digest, size, usedAt: row.used_at, origin: row.origin === 1, readers: 0 });
        rows.delete(row.digest);
      } else {
        await rename(path, layout.quarantined(digest));
        report.damaged.push(digest);
      }
    }
    const damaged = new Set(report.damaged.map(String));
    this.#metadata.transaction(() => {
      for (const key of rows.keys()) {
        const digest = Digest.tryParse(key);
        if (digest !== undefined && !damaged.has(key)) report.lost.push(digest);
        this.#deleteRows(key);
      }
      for (const record of adopted) this.#insertRow(record);
    });
    for (const record of adopted) {
      this.remember(record);
      report.adopted.push(record.digest);
    }
    return report;
  }

  /** Fills an empty database with what memory knows. Prefix digests are computed anew when the blobs are verified. */
  rewrite(): void {
    this.#metadata.transaction(() => {
      for (const record of this.#records.values()) this.#insertRow(record);
    });
  }

  /** Writes the row of a blob that is about to get its name. */
  prepare(digest: Digest, checkpoints: Checkpoints, options: { origin: boolean; now: number }): BlobRecord {
    const known = this.get(digest);
    const record = known ?? { digest, size: checkpoints.size, usedAt: options.now, origin: false, readers: 0 };
    record.usedAt = options.now;
    record.origin ||= options.origin;
    this.#metadata.transaction(() => {
      this.#insertRow(record);
      this.#writeCheckpoints(digest, checkpoints);
    });
    return record;
  }

  /** The file has its name now. */
  remember(record: BlobRecord): void {
    const key = record.digest.toString();
    if (!this.#records.has(key)) this.#bytes += record.size;
    this.#records.set(key, record);
  }

  /** The file did not get its name. */
  withdraw(digest: Digest): void {
    this.#metadata.transaction(() => this.#deleteRows(digest.toString()));
  }

  remove(record: BlobRecord): void {
    try {
      this.withdraw(record.digest);
    } catch (error) {
      // a row without a file is dropped when the store opens
      if (!isStoreRefusal(error)) throw error;
    }
    if (this.#records.delete(record.digest.toString())) this.#bytes -= record.size;
    this.#used.delete(record);
  }

  touch(record: BlobRecord, now: number): void {
    record.usedAt = now;
    this.#used.add(record);
  }

  setOrigin(record: BlobRecord, origin: boolean): void {
    if (record.origin === origin) return;
    record.origin = origin;
    this.#metadata.transaction(() =>
      this.#metadata.statement('UPDATE blobs SET origin = ? WHERE digest = ?').run(origin ? 1 : 0, record.digest.toString()),
    );
  }

  /** Writes the times of use that changed; done now and then, since losing them costs little. */
  saveTimes(): void {
    if (this.#used.size === 0) return;
    this.#metadata.transaction(() => {
      const update = this.#metadata.statement('UPDATE blobs SET used_at = ? WHERE digest = ?');
      for (const record of this.#used) update.run(record.usedAt, record.digest.toString());
    });
    this.#used.clear();
  }

  checkpoints(record: BlobRecord): Checkpoints | undefined {
    const row = this.#metadata.statement('SELECT length, digests FROM checkpoints WHERE digest = ?').get(record.digest.toString()) as
      | { length: number; digests: Uint8Array }
      | undefined;
    if (row === undefined) return undefined;
    const width = record.digest.bytes().length;
    const bytes = Buffer.from(row.digests.buffer, row.digests.byteOffset, row.digests.byteLength);
    const digests = Array.from({ length: bytes.length / width }, (_, index) => bytes.subarray(index * width, (index + 1) * width));
    return { size: record.size, checkpointLength: row.length, digests };
  }

  setCheckpoints(digest: Digest, checkpoints: Checkpoints): void {
    this.#metadata.transaction(() => this.#writeCheckpoints(digest, checkpoints));
  }

  #insertRow(record: BlobRecord): void {
    this.#metadata
      .statement('INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?)')
      .run(record.digest.toString(), record.size, record.usedAt, record.origin ? 1 : 0);
  }

  #writeCheckpoints(digest: Digest, { checkpointLength, digests }: Checkpoints): void {
    this.#metadata
      .statement('INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)')
      .run(digest.toString(), checkpointLength, Buffer.concat(digests));
  }

  /** What was said of the blob goes with it; tags stay, since what a name meant is worth knowing without the bytes. */
  #deleteRows(key: string): void {
    for (const sql of [
      'DELETE FROM blobs WHERE digest = ?',
      'DELETE FROM checkpoints WHERE digest = ?',
      'DELETE FROM checked_files WHERE digest = ?',
      'DELETE FROM repository_blobs WHERE blob = ?',
      'DELETE FROM manifest_links WHERE manifest = ?',
      'DELETE FROM repository_manifests WHERE manifest = ?',
      'DELETE FROM manifests WHERE digest = ?',
    ])
      this.#metadata.statement(sql).run(key);
  }
}

interface BlobFile {
  readonly digest: Digest;
  readonly path: string;
  readonly size: number;
  readonly modifiedAt: number;
}

/** Removes what is no blob. Synchronous calls: they are several times faster, and nothing else runs yet. */
async function listBlobFiles(layout: StoreLayout): Promise<BlobFile[]> {
  const files: BlobFile[] = [];
  for (const algorithm of ALGORITHMS) {
    for (const name of readdirSync(layout.blobs(algorithm))) {
      const path = join(layout.blobs(algorithm), name);
      const digest = digestOfName(name, algorithm);
      const stat = lstatSync(path);
      if (digest === undefined || !stat.isFile()) await rm(path, { recursive: true, force: true });
      else files.push({ digest, path, size: stat.size, modifiedAt: Math.round(stat.mtimeMs) });
    }
  }
  return files;
}
