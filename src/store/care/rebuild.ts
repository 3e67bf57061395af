import { readFile, stat } from 'node:fs/promises';
import { errorCode } from '../../errors.ts';
import { Digest } from '../../oci/digest.ts';
import { MAX_MANIFEST_BYTES, parseManifest, type Manifest } from '../../oci/manifest.ts';
import type { BlobCatalog } from '../blobs/blob-catalog.ts';
import { ORIGIN_MARK, REF_NAME } from '../db/layout-index.ts';
import { insertManifest, insertRepositoryManifest } from '../db/manifest-table.ts';
import type { Metadata } from '../db/metadata.ts';
import type { MetadataBackup } from '../db/metadata-backup.ts';
import { parseReference, reachableFrom } from '../images/pins.ts';
import type { StoreLayout } from '../disk/store-layout.ts';

const MAX_INDEX_BYTES = 64 * 1024 * 1024;
const OPENING_BRACE = 0x7b;
const READ_AT_ONCE = 16;

/** The database is damaged while it is in use: a new one takes its place, with what memory, blobs, index and the last copy know. */
export async function rebuild({
  metadata,
  layout,
  catalog,
  backup,
}: {
  metadata: Metadata;
  layout: StoreLayout;
  catalog: BlobCatalog;
  backup: MetadataBackup;
}): Promise<void> {
  await metadata.replace();
  catalog.rewrite();
  await adoptManifests(
    metadata,
    layout,
    catalog,
    Array.from(catalog.all(), ({ digest }) => digest),
  );
  await restoreTags(metadata, layout, catalog);
  await backup.restore();
}

/** Finds the manifests among blobs that have no metadata. They got their names by digest, so what they say is taken as it is. */
export async function adoptManifests(
  metadata: Metadata,
  layout: StoreLayout,
  catalog: BlobCatalog,
  adopted: readonly Digest[],
): Promise<void> {
  const small = adopted.filter((digest) => (catalog.get(digest)?.size ?? Infinity) <= MAX_MANIFEST_BYTES);
  for (let start = 0; start < small.length; start += READ_AT_ONCE) {
    const found = await Promise.all(small.slice(start, start + READ_AT_ONCE).map((digest) => readManifest(layout, digest)));
    metadata.transaction(() => {
      for (const { digest, manifest } of found) if (manifest !== undefined) insertManifest(metadata, digest, manifest);
    });
  }
}

async function readManifest(layout: StoreLayout, digest: Digest): Promise<{ digest: Digest; manifest: Manifest | undefined }> {
  const bytes = await readFile(layout.blob(digest));
  const mayBe = bytes[0] === OPENING_BRACE && Digest.of(bytes, digest.algorithm).equals(digest);
  return { digest, manifest: mayBe ? tryParse(bytes) : undefined };
}

/**
 * The database is lost: takes names, links and origin marks from the exported index, as far as manifests are here. When the
 * origin last said so is not known, so these tags count as infinitely old.
 */
export async function restoreTags(metadata: Metadata, layout: StoreLayout, catalog: BlobCatalog): Promise<number> {
  let restored = 0;
  for (const { reference, digest, isOrigin } of await readIndex(layout)) {
    const isManifest = metadata.statement('SELECT 1 FROM manifests WHERE digest = ?').get(digest.toString()) !== undefined;
    if (!isManifest) continue;
    const reachable = reachableFrom(metadata, [digest.toString()]);
    metadata.transaction(() => {
      metadata.statement('INSERT OR REPLACE INTO tags VALUES (?, ?, ?, 0)').run(reference.name, reference.tag, digest.toString());
      for (const key of reachable) {
        if (metadata.statement('SELECT 1 FROM manifests WHERE digest = ?').get(key) !== undefined)
          insertRepositoryManifest(metadata, reference.name, key);
      }
    });
    for (const key of isOrigin ? reachable : []) {
      const record = catalog.get(Digest.parse(key));
      if (record !== undefined) catalog.setOrigin(record, true);
    }
    restored++;
  }
  return restored;
}

interface IndexEntry {
  readonly reference: { readonly name: string; readonly tag: string };
  readonly digest: Digest;
  readonly isOrigin: boolean;
}

async function readIndex(layout: StoreLayout): Promise<IndexEntry[]> {
  const size = (await stat(layout.index).catch(() => undefined))?.size ?? 0;
  if (size === 0 || size > MAX_INDEX_BYTES) return [];
  let document: unknown;
  try {
    document = JSON.parse(await readFile(layout.index, 'utf8'));
  } catch {
    return []; // nothing to restore from; the next export replaces it
  }
  const { manifests } = document as { manifests?: unknown };
  return Array.isArray(manifests) ? manifests.flatMap((entry: unknown) => toEntry(entry) ?? []) : [];
}

function toEntry(value: unknown): IndexEntry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { digest: text, annotations } = value as { digest?: unknown; annotations?: Record<string, unknown> };
  const name = annotations?.[REF_NAME];
  const digest = typeof text === 'string' ? Digest.tryParse(text) : undefined;
  const reference = typeof name === 'string' ? parseReference(name) : undefined;
  if (digest === undefined || reference?.tag === undefined) return undefined;
  return { reference: { name: reference.name, tag: reference.tag }, digest, isOrigin: annotations?.[ORIGIN_MARK] === 'true' };
}

/** Undefined for the many blobs that are JSON and no manifest: configurations, attestations. */
function tryParse(bytes: Buffer): Manifest | undefined {
  try {
    return parseManifest(bytes);
  } catch (error) {
    if (errorCode(error) === 'manifest-invalid' || errorCode(error) === 'too-large') return undefined;
    throw error;
  }
}
