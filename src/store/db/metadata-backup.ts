import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Digest } from '../../oci/digest.ts';
import { keepFile } from '../disk/durable-file.ts';
import type { Metadata } from './metadata.ts';
import type { StoreLayout } from '../disk/store-layout.ts';

const HOUR_MS = 3_600_000;
const MAX_BYTES = 256 * 1024 * 1024;

const digest = z.string().refine((text) => Digest.tryParse(text) !== undefined);
const schema = z.object({
  pins: z.array(z.string().max(1000)),
  tags: z.array(z.tuple([z.string().max(512), z.string().max(128), digest, z.int().min(0)])),
});

/** What of the metadata no blob tells: pins, and what tags meant and when. A copy each hour, beside the database that holds them. */
export class MetadataBackup {
  readonly #layout: StoreLayout;
  readonly #metadata: Metadata;
  readonly #path: string;
  readonly #timer: NodeJS.Timeout;

  constructor(layout: StoreLayout, metadata: Metadata) {
    this.#layout = layout;
    this.#metadata = metadata;
    this.#path = join(layout.root, 'metadata-backup.json');
    // a failure leaves the copy of the hour before
    this.#timer = setInterval(() => void this.write().catch(() => undefined), HOUR_MS).unref();
  }

  /** @throws `disk-full`, `store-unwritable` */
  async write(): Promise<void> {
    const pins = this.#metadata
      .statement('SELECT reference FROM pins ORDER BY reference')
      .all()
      .map((row) => row['reference']);
    const tags = this.#metadata
      .statement('SELECT repository, tag, digest, checked_at FROM tags ORDER BY repository, tag')
      .all()
      .map((row) => Object.values(row));
    await keepFile(this.#path, `${JSON.stringify({ pins, tags })}\n`, this.#layout.temp);
  }

  /** Puts back what the database has lost, and says how much; what it has stays. 0 where there is no copy, or none that can be read. */
  async restore(): Promise<number> {
    const copy = await this.#read();
    if (copy === undefined) return 0;
    return this.#metadata.transaction(() => {
      let restored = 0;
      for (const reference of copy.pins)
        restored += Number(this.#metadata.statement('INSERT OR IGNORE INTO pins VALUES (?)').run(reference).changes);
      // a tag that the exported index brought back has no time
      const putBack =
        'INSERT INTO tags VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET checked_at = excluded.checked_at WHERE checked_at = 0 AND digest = excluded.digest';
      for (const row of copy.tags) restored += Number(this.#metadata.statement(putBack).run(...row).changes);
      return restored;
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #read(): Promise<z.infer<typeof schema> | undefined> {
    try {
      const text = await readFile(this.#path, 'utf8');
      const parsed = text.length > MAX_BYTES ? undefined : schema.safeParse(JSON.parse(text));
      return parsed?.data;
    } catch {
      return undefined;
    }
  }
}
