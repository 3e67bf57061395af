import type { Digest } from '../../oci/digest.ts';
import type { RawManifest } from '../../oci/manifest.ts';

/**
 * What the store knows beside blobs: manifests (which are blobs too), which repository links which digest, tags with their age,
 * pins. Repository names here are full, `registry/repository`, as `Reference.name` gives them.
 */
export interface ImageStore {
  /** Keeps a manifest as a blob and links it, its config, layers and children to the repository. Idempotent. */
  putManifest(repository: string, manifest: RawManifest): Promise<void>;
  /** A manifest that is linked to the repository. */
  manifest(repository: string, digest: Digest): Promise<RawManifest | undefined>;
  /** A manifest by digest alone, whatever repository links it. For the swarm, never for clients. */
  anyManifest(digest: Digest): Promise<RawManifest | undefined>;
  /** Whether this digest is known as a manifest; does not look at its bytes. */
  isManifest(digest: Digest): boolean;
  /** Unlinks a manifest from the repository, and its tags there. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean>;
  /** Whether a manifest of the repository links this blob (or the blob was pushed into it). */
  isLinked(repository: string, blob: Digest): boolean;
  link(repository: string, blob: Digest): void;
  /** Takes a blob out of a repository again; false when it was not linked. The bytes and the manifests that name it stay. */
  unlink(repository: string, blob: Digest): boolean;
  /** Some repositories that link this blob. */
  repositoriesOf(blob: Digest): string[];
  repositories(): string[];

  tag(repository: string, tag: string): TagRecord | undefined;
  /** `checkedAt` (ms since the epoch): when the origin last said so. */
  setTag(repository: string, tag: string, digest: Digest, checkedAt: number): void;
  deleteTag(repository: string, tag: string): boolean;
  /** Told when a tag is new or means another digest. Returns the unsubscribe function. */
  onTag(listener: (change: TagChange) => void): () => void;
  /** Sorted. */
  tags(repository: string): string[];
  /** Manifests of the repository whose `subject` is this digest. */
  referrers(repository: string, subject: Digest): Promise<RawManifest[]>;

  /** What the registry last said about this node's right to read a repository. */
  access(repository: string): AccessRecord | undefined;
  setAccess(repository: string, record: AccessRecord): void;

  pin(reference: string): void;
  unpin(reference: string): boolean;
  pins(): string[];

  /** Resolves once every change so far is synced to disk: what an embedded origin waits for before it answers 201. @throws `disk-full` */
  flush(): Promise<void>;
}

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
