import { errorCode } from '../../errors.ts';
import { Reference } from '../../oci/reference.ts';
import type { Metadata } from '../db/metadata.ts';

const REACHABLE = `
WITH RECURSIVE reachable (digest) AS (
  SELECT value FROM json_each(?)
  UNION SELECT blob FROM manifest_links JOIN reachable ON manifest = reachable.digest
) SELECT digest FROM reachable`;

/** References that people asked to keep, and what that means in blobs. */
export class Pins {
  readonly #metadata: Metadata;

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
  }

  add(reference: string): void {
    const text = Reference.parse(reference).withDefaultTag().toString();
    this.#metadata.transaction(() => this.#metadata.statement('INSERT OR IGNORE INTO pins VALUES (?)').run(text));
  }

  remove(reference: string): boolean {
    const text = Reference.parse(reference).withDefaultTag().toString();
    return this.#metadata.transaction(() => this.#metadata.statement('DELETE FROM pins WHERE reference = ?').run(text).changes > 0);
  }

  list(): string[] {
    return this.#metadata
      .statement('SELECT reference FROM pins ORDER BY reference')
      .all()
      .map((row) => row['reference'] as string);
  }

  /** Digests, as text, of every manifest and blob that a pinned reference leads to, as far as manifests are here. */
  reachable(): ReadonlySet<string> {
    const roots = this.list().flatMap((text) => this.#rootOf(text) ?? []);
    return roots.length === 0 ? new Set() : reachableFrom(this.#metadata, roots);
  }

  #rootOf(text: string): string | undefined {
    const { name, tag, digest } = parseReference(text) ?? {};
    if (digest !== undefined) return digest.toString();
    if (name === undefined || tag === undefined) return undefined;
    return this.#metadata.statement('SELECT digest FROM tags WHERE repository = ? AND tag = ?').get(name, tag)?.['digest'] as
      | string
      | undefined;
  }
}

/** What the manifests `roots` lead to, themselves included. */
export function reachableFrom(metadata: Metadata, roots: readonly string[]): Set<string> {
  return new Set(
    metadata
      .statement(REACHABLE)
      .all(JSON.stringify(roots))
      .map((row) => row['digest'] as string),
  );
}

/** Undefined for what is no reference, as a file on disk might hold. */
export function parseReference(text: string): Reference | undefined {
  try {
    return Reference.parse(text);
  } catch (error) {
    if (errorCode(error) === 'reference-invalid') return undefined;
    throw error;
  }
}
