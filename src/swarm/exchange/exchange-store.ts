import type { Digest } from '../../oci/digest.ts';
import type { BlobReader, Checkpoints, PartialBlob } from '../../store/blob-store.ts';

/** What the exchange uses of the node's store, which may be on another thread. */
export interface ExchangeStore {
  /** Bytes of a complete blob; undefined when it is not here. */
  size(digest: Digest): Promise<number | undefined> | number | undefined;
  /** Opens a complete blob; it counts as in use until closed. @throws `not-found` */
  open(digest: Digest): Promise<BlobReader>;
  /** Writes a whole small blob. @throws `digest-mismatch`, `disk-full` */
  write(bytes: Uint8Array, digest: Digest): Promise<void>;
  /** As `BlobStore.openPartial`. */
  openPartial(digest: Digest, size: number, pieceLength: number): Promise<PartialBlob>;
  /** As `BlobStore.checkpoints`. */
  checkpoints(digest: Digest): Promise<Checkpoints | undefined>;
  /** As `GuardedBlobs.doubt`. */
  doubt(digest: Digest): Promise<void> | void;
  /** Told when a blob goes away. */
  onRemoved(listener: (digest: Digest) => void): void;
}
