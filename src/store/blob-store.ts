import type { Digest } from '../oci/digest.ts';

/**
 * How far a range of an unfinished blob can be trusted; see "Why it is like this" in ARCHITECTURE.md.
 * `received`: came from a peer, nothing says it is right. `vouched`: agrees with a signed list, or its lease holder
 * signed it. `origin`: this node read it from the origin. `proven`: the prefix up to its end closed to the OCI digest.
 * The values are on disk.
 */
export const Grade = { missing: 0, received: 1, vouched: 2, origin: 3, proven: 4 } as const;
export type Grade = (typeof Grade)[keyof typeof Grade];

/** Content-addressed blobs on disk. What is in it has been verified, and stays until it is deleted or evicted. */
export interface BlobStore {
  /** Bytes of a complete blob; undefined when it is not here. Answers from memory. */
  size(digest: Digest): number | undefined;
  /** Every complete blob. */
  list(): Iterable<{ digest: Digest; size: number }>;
  /** Opens a complete blob; it counts as in use, and so is never evicted, until closed. @throws `not-found` */
  open(digest: Digest): Promise<BlobReader>;
  /**
   * Writes a whole blob: temp file, hashed while it streams, fsync, rename. Without `expected` the digest is computed as sha256.
   * @throws `digest-mismatch`, `size-mismatch`, `too-large`, `disk-full`, `aborted`; nothing is left behind then.
   */
  write(source: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<{ digest: Digest; size: number }>;
  /** Opens or creates the unfinished blob of that digest. One owner at a time: a second call before close throws `unavailable`, one during it waits. */
  openPartial(digest: Digest, size: number, pieceLength: number): Promise<PartialBlob>;
  partials(): Iterable<{ digest: Digest; size: number; haveBytes: number }>;
  /** Removes a blob or partial blob; false when it was not there. Readers that are open go on reading. */
  delete(digest: Digest): Promise<boolean>;
  /** The signed-list material of a proven blob: prefix digests at each checkpoint; undefined when it was never computed. */
  checkpoints(digest: Digest): Promise<Checkpoints | undefined>;
  /** Told when a blob becomes complete or goes away (deleted, evicted, found corrupt). Returns the unsubscribe function. */
  onChange(listener: (change: BlobChange) => void): () => void;
}

export interface BlobChange {
  readonly kind: 'added' | 'removed';
  readonly digest: Digest;
  readonly size: number;
}

export interface WriteOptions {
  expected?: Digest;
  expectedSize?: number;
  maxBytes?: number;
  /** Kept whatever the size limit says: what an embedded origin holds. A blob that is here already is kept so from now on. */
  origin?: boolean;
  signal?: AbortSignal;
}

export interface BlobReader {
  readonly size: number;
  /** Absolute path of the file, for whoever can read it by itself (a worker, sendfile). */
  readonly path: string;
  /** Reads `length` bytes at `offset`; short only at the end of the blob. */
  read(offset: number, length: number): Promise<Buffer>;
  /** Fills `bytes` with what is at `offset`. @throws `size-mismatch` beyond the end */
  readInto(bytes: Uint8Array, offset: number): Promise<void>;
  /** `start` inclusive, `end` exclusive. Reads no further than it is asked. */
  stream(start?: number, end?: number, options?: StreamOptions): AsyncIterable<Buffer>;
  /** Compares the bytes before `end` with what was proven, as reading them does. @throws `digest-mismatch`: the copy is out of the store then */
  check(end: number): Promise<void>;
  /** What was found right before counts no more. */
  doubt(): void;
  close(): Promise<void>;
}

export interface StreamOptions {
  /**
   * Each chunk's memory is used again for the next: a third of the CPU, for consumers that are done with a chunk before they ask
   * for the next one. A Node stream is not (it queues chunks), unless each write's callback is awaited.
   */
  reuse?: boolean;
}

/** Prefix digests of one proven blob: entry i is the digest of bytes [0, min(size, (i + 1) * checkpointLength)). The last is the blob's own. */
export interface Checkpoints {
  readonly size: number;
  readonly checkpointLength: number;
  readonly digests: readonly Buffer[];
}

/**
 * An unfinished blob: a file with one grade a piece, which survives a crash. One native hash runs over it in order as the
 * prefix closes. After a restart pieces that were synced to disk keep their grade and the prefix is hashed again.
 */
export interface PartialBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly checkpointLength: number;
  readonly path: string;
  /** Grade of a piece. */
  grade(piece: number): Grade;
  haveBytes(): number;
  /**
   * Writes bytes that lie within one piece; the piece counts only once `complete` says so. Bytes for a piece that has a grade
   * are dropped: `discard` it first.
   */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** As `write`, at once where it can be: a promise only while a discard is being made durable. */
  writeNow(offset: number, bytes: Uint8Array): Promise<void> | undefined;
  /** All bytes of `piece` are written: gives it a grade. Raises only, never lowers. */
  complete(piece: number, grade: Grade): void;
  /** Forgets pieces, so that they can be fetched again; the hash goes back before the first of them. */
  discard(pieces: Iterable<number>): Promise<void>;
  read(offset: number, length: number): Promise<Buffer>;
  /** Fills `bytes` with what is at `offset`, at once: what was just written lies in memory. @throws `store-unwritable` */
  readInto(bytes: Uint8Array, offset: number): void;
  /**
   * Hashes on as far as the prefix of completed pieces reaches; resolves when it has. Calls `onCheckpoint` in order for each
   * checkpoint that closes. Calls join: one run at a time.
   */
  advance(): Promise<void>;
  /** Bytes of the prefix that are hashed. */
  readonly hashedBytes: number;
  /** Prefix digests computed so far, in order. */
  readonly prefixDigests: readonly Buffer[];
  onCheckpoint: ((index: number, prefixDigest: Buffer) => void) | undefined;
  /** True once the whole prefix is hashed and its digest is the blob's. False: hashed whole, and wrong. */
  readonly verdict: boolean | undefined;
  /** fsync, rename into the blobs, keep the checkpoints. @throws `verification-failed` unless `verdict` is true; `disk-full` */
  commit(): Promise<void>;
  /** Closes the file and keeps what is there for the next time. */
  close(): Promise<void>;
}
