import { DatabaseSync } from 'node:sqlite';
import { Digest } from '../oci/digest.ts';

/**
 * Which manifest an engine's image was seeded as. An engine keeps layers unpacked and compresses them anew for each push, and a
 * newer version may do it otherwise: what was seeded once stays what it was. In a file of its own, which may be deleted.
 */
export class KnownImages {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    this.#database.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS images (id TEXT PRIMARY KEY, manifest TEXT NOT NULL) STRICT');
  }

  /** @param id of the engine */
  manifest(id: string): Digest | undefined {
    const row = this.#database.prepare('SELECT manifest FROM images WHERE id = ?').get(id);
    return row === undefined ? undefined : Digest.tryParse(String(row['manifest']));
  }

  remember(id: string, manifest: Digest): void {
    this.#database.prepare('INSERT OR REPLACE INTO images VALUES (?, ?)').run(id, manifest.toString());
  }

  close(): void {
    this.#database.close();
  }
}
