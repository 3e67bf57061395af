import { Digest } from '../../oci/digest.ts';
import { linkedDescriptors, type AnyManifest } from '../../oci/manifest.ts';
import type { Metadata } from './metadata.ts';

/** Notes a manifest and what it names. Idempotent; within a transaction of the caller. */
export function insertManifest(metadata: Metadata, digest: Digest, manifest: AnyManifest): void {
  const key = digest.toString();
  metadata
    .statement('INSERT OR REPLACE INTO manifests VALUES (?, ?, ?)')
    .run(key, manifest.mediaType, manifest.subject?.digest.toString() ?? null);
  const link = metadata.statement('INSERT OR IGNORE INTO manifest_links VALUES (?, ?)');
  const { blobs, foreign, children } = linkedDescriptors(manifest);
  for (const descriptor of [...blobs, ...foreign, ...children]) link.run(key, descriptor.digest.toString());
}

export function insertRepositoryManifest(metadata: Metadata, repository: string, manifest: string): void {
  metadata.statement('INSERT OR IGNORE INTO repository_manifests VALUES (?, ?)').run(repository, manifest);
}

/** The digest of a row; rows are only written from digests. */
export function digestColumn(row: Record<string, unknown>): Digest {
  return Digest.parse(String(row['digest']));
}
