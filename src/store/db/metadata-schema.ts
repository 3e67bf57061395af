/** Version of the tables, in `PRAGMA user_version`. The store's format covers the folder, this only the database. */
export const SCHEMA_VERSION = 1;

/**
 * What the store knows beside the blobs' bytes. Digests are text, `algorithm:hex`; times are milliseconds since the epoch.
 * `manifest_links` holds what a manifest names; `repository_manifests` what a repository holds; `repository_blobs` what was put
 * into a repository without a manifest that names it (yet).
 */
export const SCHEMA = `
CREATE TABLE blobs (
  digest TEXT PRIMARY KEY, size INTEGER NOT NULL, used_at INTEGER NOT NULL, origin INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (digest TEXT PRIMARY KEY, length INTEGER NOT NULL, digests BLOB NOT NULL) STRICT;
CREATE TABLE manifests (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, subject TEXT) STRICT, WITHOUT ROWID;
CREATE INDEX manifests_by_subject ON manifests (subject) WHERE subject IS NOT NULL;
CREATE TABLE manifest_links (manifest TEXT NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (manifest, blob)) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_links_by_blob ON manifest_links (blob);
CREATE TABLE repository_manifests (
  repository TEXT NOT NULL, manifest TEXT NOT NULL, PRIMARY KEY (repository, manifest)
) STRICT, WITHOUT ROWID;
CREATE INDEX repository_manifests_by_manifest ON repository_manifests (manifest);
CREATE TABLE repository_blobs (repository TEXT NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (repository, blob)) STRICT, WITHOUT ROWID;
CREATE INDEX repository_blobs_by_blob ON repository_blobs (blob);
CREATE TABLE tags (
  repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, checked_at INTEGER NOT NULL, PRIMARY KEY (repository, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_digest ON tags (digest);
CREATE TABLE pins (reference TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Tables that databases of the same version may lack, since they came later and older programs do without them. */
export const LATER_TABLES = `
CREATE TABLE IF NOT EXISTS checked_files (digest TEXT PRIMARY KEY, file TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repository_access (
  repository TEXT PRIMARY KEY, granted INTEGER NOT NULL, checked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
