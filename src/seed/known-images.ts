import { DatabaseSync } from 'node:sqlite';
import type { Descriptor } from '../oci/descriptor.ts';
import { Digest } from '../oci/digest.ts';

/** A layer as the origin has it. */
export interface KnownLayer {
  readonly descriptor: Descriptor;
  /** Of the origin, where it was seen. */
  readonly repository: string;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS seeded (id TEXT PRIMARY KEY, manifest TEXT NOT NULL, repository TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS layers (diff_id TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL, media_type TEXT NOT NULL, repository TEXT NOT NULL) STRICT`;

/**
 * Which manifest an engine's image was seeded as, and which blob the content of a layer is. An engine keeps layers unpacked and
 * compresses them anew for each push, and a newer version may do it otherwise: what was seeded once stays what it was. In a file of
 * its own, which may be deleted.
 */
export class KnownImages {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    this.#database.exec(`PRAGMA journal_mode = WAL; ${SCHEMA}`);
  }

  /** @param id of the engine */
  seeded(id: string): { readonly manifest: Digest; readonly repository: string } | undefined {
    const row = this.#database.prepare('SELECT manifest, repository FROM seeded WHERE id = ?').get(id);
    const manifest = row === undefined ? undefined : Digest.tryParse(String(row['manifest']));
    return manifest === undefined ? undefined : { manifest, repository: String(row!['repository']) };
  }

  rememberImage(id: string, manifest: Digest, repository: string): void {
    this.#database.prepare('INSERT OR REPLACE INTO seeded VALUES (?, ?, ?)').run(id, manifest.toString(), repository);
  }

  /** @param diffId digest of the layer's uncompressed tar */
  layer(diffId: Digest): KnownLayer | undefined {
    const row = this.#database.prepare('SELECT * FROM layers WHERE diff_id = ?').get(diffId.toString());
    const digest = row === undefined ? undefined : Digest.tryParse(String(row['digest']));
    return digest === undefined
      ? undefined
      : {
          descriptor: { mediaType: String(row!['media_type']), digest, size: Number(row!['size']) },
          repository: String(row!['repository']),
        };
  }

  /** What is known of a layer already stays. */
  rememberLayer(diffId: Digest, { descriptor: { digest, size, mediaType }, repository }: KnownLayer): void {
    this.#database
      .prepare('INSERT OR IGNORE INTO layers VALUES (?, ?, ?, ?, ?)')
      .run(diffId.toString(), digest.toString(), size, mediaType, repository);
  }

  forgetLayer(diffId: Digest): void {
    this.#database.prepare('DELETE FROM layers WHERE diff_id = ?').run(diffId.toString());
  }

  close(): void {
    this.#database.close();
  }
}
