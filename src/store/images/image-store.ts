import { errorCode } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { MAX_MANIFEST_BYTES, readManifest, type RawManifest } from '../../oci/manifest.ts';
import type { DiskBlobStore } from '../blobs/disk-blob-store.ts';
import { digestColumn, insertManifest, insertRepositoryManifest } from '../db/manifest-table.ts';
import type { Metadata } from '../db/metadata.ts';
import type { Pins } from './pins.ts';

export interface AccessRecord {
  readonly granted: boolean;
  /** Milliseconds since the epoch. */
  readonly checkedAt: number;
}

export interface TagChange {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
}

export interface TagRecord {
  readonly digest: Digest;
  /** Milliseconds since the epoch. */
  readonly checkedAt: number;
}

/** Enough to find one that the origin answers for. */
const SOME_REPOSITORIES = 16;

const IS_LINKED = `
SELECT 1 FROM repository_manifests WHERE repository = ?1 AND manifest = ?2
UNION ALL SELECT 1 FROM repository_blobs WHERE repository = ?1 AND blob = ?2
UNION ALL SELECT 1 FROM manifest_links JOIN repository_manifests USING (manifest) WHERE blob = ?2 AND repository = ?1
LIMIT 1`;

const REPOSITORIES_OF = `
SELECT repository FROM repository_manifests WHERE manifest = ?1
UNION SELECT repository FROM repository_blobs WHERE blob = ?1
UNION SELECT repository FROM manifest_links JOIN repository_manifests USING (manifest) WHERE blob = ?1
LIMIT ${SOME_REPOSITORIES}`;

const REPOSITORIES = `
SELECT repository FROM repository_manifests UNION SELECT repository FROM repository_blobs UNION SELECT repository FROM tags
ORDER BY repository`;

const REFERRERS = `
SELECT digest FROM manifests JOIN repository_manifests ON manifest = digest
WHERE repository = ? AND subject = ? ORDER BY digest LIMIT 1000`;

/**
 * What the store knows beside blobs: manifests (which are blobs too), which repository links which digest, tags with their age,
 * pins. Repository names here are full, `registry/repository`, as `Reference.name` gives them. All of it is in
 * SQLite, but for the manifests' bytes.
 */
export class ImageStore {
  readonly #metadata: Metadata;
  readonly #blobs: DiskBlobStore;
  readonly #pins: Pins;
  /** Told when the exported index may have changed. */
  readonly #onTags: () => void;
  readonly #tagListeners = new Set<(change: TagChange) => void>();

  constructor(parts: { metadata: Metadata; blobs: DiskBlobStore; pins: Pins; onTags: () => void }) {
    this.#metadata = parts.metadata;
    this.#blobs = parts.blobs;
    this.#pins = parts.pins;
    this.#onTags = parts.onTags;
  }

  /**
   * Keeps a manifest as a blob and links it, its config, layers and children to the repository. Idempotent.
   * @throws `manifest-invalid`, `too-large`, `digest-mismatch`, `disk-full`
   */
  async putManifest(repository: string, raw: RawManifest): Promise<void> {
    const manifest = readManifest(raw.bytes, raw.mediaType);
    if (this.#blobs.size(raw.digest) === undefined) {
      await this.#blobs.write(once(raw.bytes), { expected: raw.digest, expectedSize: raw.bytes.length });
    }
    this.#metadata.transaction(() => {
      insertManifest(this.#metadata, raw.digest, manifest);
      insertRepositoryManifest(this.#metadata, repository, raw.digest.toString());
    });
    this.#onTags();
  }

  /** A manifest that is linked to the repository. */
  async manifest(repository: string, digest: Digest): Promise<RawManifest | undefined> {
    return this.isLinked(repository, digest) ? await this.anyManifest(digest) : undefined;
  }

  /** A manifest by digest alone, whatever repository links it. For the swarm, never for clients. */
  async anyManifest(digest: Digest): Promise<RawManifest | undefined> {
    const row = this.#metadata.statement('SELECT media_type FROM manifests WHERE digest = ?').get(digest.toString());
    if (row === undefined) return undefined;
    const bytes = await this.#readSmall(digest);
    if (bytes === undefined) return undefined;
    return { digest, mediaType: row['media_type'] as string, bytes };
  }

  /** Whether this digest is known as a manifest; does not look at its bytes. */
  isManifest(digest: Digest): boolean {
    return this.#metadata.statement('SELECT 1 FROM manifests WHERE digest = ?').get(digest.toString()) !== undefined;
  }

  /** Unlinks a manifest from the repository, and its tags there. */
  async deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    const key = digest.toString();
    const deleted = this.#metadata.transaction(() => {
      this.#metadata.statement('DELETE FROM tags WHERE repository = ? AND digest = ?').run(repository, key);
      return (
        this.#metadata.statement('DELETE FROM repository_manifests WHERE repository = ? AND manifest = ?').run(repository, key).changes > 0
      );
    });
    this.#onTags();
    return deleted;
  }

  /** Whether a manifest of the repository links this blob (or the blob was pushed into it). */
  isLinked(repository: string, blob: Digest): boolean {
    return this.#metadata.statement(IS_LINKED).get(repository, blob.toString()) !== undefined;
  }

  link(repository: string, blob: Digest): void {
    this.#metadata.transaction(() =>
      this.#metadata.statement('INSERT OR IGNORE INTO repository_blobs VALUES (?, ?)').run(repository, blob.toString()),
    );
  }

  /** Takes a blob out of a repository again; false when it was not linked. The bytes and the manifests that name it stay. */
  unlink(repository: string, blob: Digest): boolean {
    return this.#metadata.transaction(
      () =>
        this.#metadata.statement('DELETE FROM repository_blobs WHERE repository = ? AND blob = ?').run(repository, blob.toString())
          .changes > 0,
    );
  }

  /** Some repositories that link this blob. */
  repositoriesOf(blob: Digest): string[] {
    return this.#metadata.statement(REPOSITORIES_OF).all(blob.toString()).map(repositoryColumn);
  }

  repositories(): string[] {
    return this.#metadata.statement(REPOSITORIES).all().map(repositoryColumn);
  }

  tag(repository: string, tag: string): TagRecord | undefined {
    const row = this.#metadata.statement('SELECT digest, checked_at FROM tags WHERE repository = ? AND tag = ?').get(repository, tag);
    return row === undefined ? undefined : { digest: digestColumn(row), checkedAt: row['checked_at'] as number };
  }

  /** `checkedAt` (ms since the epoch): when the origin last said so. */
  setTag(repository: string, tag: string, digest: Digest, checkedAt: number): void {
    const before = this.tag(repository, tag);
    this.#metadata.transaction(() =>
      this.#metadata.statement('INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?)').run(repository, tag, digest.toString(), checkedAt),
    );
    if (before?.digest.equals(digest) === true) return;
    this.#onTags();
    for (const listener of this.#tagListeners) listener({ repository, tag, digest });
  }

  /** Told when a tag is new or means another digest. Returns the unsubscribe function. */
  onTag(listener: (change: TagChange) => void): () => void {
    this.#tagListeners.add(listener);
    return () => this.#tagListeners.delete(listener);
  }

  deleteTag(repository: string, tag: string): boolean {
    const deleted = this.#metadata.transaction(
      () => this.#metadata.statement('DELETE FROM tags WHERE repository = ? AND tag = ?').run(repository, tag).changes > 0,
    );
    if (deleted) this.#onTags();
    return deleted;
  }

  /** Sorted. */
  tags(repository: string): string[] {
    return this.#metadata
      .statement('SELECT tag FROM tags WHERE repository = ? ORDER BY tag')
      .all(repository)
      .map((row) => row['tag'] as string);
  }

  /** Manifests of the repository whose `subject` is this digest. */
  async referrers(repository: string, subject: Digest): Promise<RawManifest[]> {
    const found: RawManifest[] = [];
    for (const row of this.#metadata.statement(REFERRERS).all(repository, subject.toString())) {
      const manifest = await this.anyManifest(digestColumn(row));
      if (manifest !== undefined) found.push(manifest);
    }
    return found;
  }

  /** What the registry last said about this node's right to read a repository. */
  access(repository: string): AccessRecord | undefined {
    const row = this.#metadata.statement('SELECT granted, checked_at FROM repository_access WHERE repository = ?').get(repository);
    return row === undefined ? undefined : { granted: row['granted'] === 1, checkedAt: row['checked_at'] as number };
  }

  setAccess(repository: string, { granted, checkedAt }: AccessRecord): void {
    this.#metadata.transaction(() =>
      this.#metadata.statement('INSERT OR REPLACE INTO repository_access VALUES (?, ?, ?)').run(repository, granted ? 1 : 0, checkedAt),
    );
  }

  pin(reference: string): void {
    this.#pins.add(reference);
  }

  unpin(reference: string): boolean {
    return this.#pins.remove(reference);
  }

  pins(): string[] {
    return this.#pins.list();
  }

  /** Resolves once every change so far is synced to disk: what an embedded origin waits for before it answers 201. @throws `disk-full` */
  async flush(): Promise<void> {
    await this.#metadata.flush();
  }

  /** A manifest's bytes, checked again: at that size it costs nothing, and a bad disk must not answer for the origin. */
  async #readSmall(digest: Digest): Promise<Buffer | undefined> {
    const size = this.#blobs.size(digest);
    if (size === undefined || size > MAX_MANIFEST_BYTES) return undefined;
    let bytes: Buffer;
    try {
      const reader = await this.#blobs.open(digest, { unchecked: true });
      try {
        bytes = await reader.read(0, size);
      } finally {
        await reader.close();
      }
    } catch (error) {
      if (errorCode(error) === 'not-found') return undefined; // went away meanwhile
      if (errorCode(error) !== 'size-mismatch') throw error;
      bytes = Buffer.alloc(0);
    }
    if (bytes.length === size && Digest.of(bytes, digest.algorithm).equals(digest)) return bytes;
    await this.#blobs.quarantine(digest);
    return undefined;
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield bytes;
}

function repositoryColumn(row: Record<string, unknown>): string {
  return row['repository'] as string;
}
