import type { Digest } from '../../oci/digest.ts';
import type { PartialBlob } from '../blob-store.ts';
import type { SyncPolicy } from '../disk/sync-policy.ts';

/** An unfinished blob as the store that it belongs to sees it. */
export interface OwnedPartial extends Pick<
  PartialBlob,
  'digest' | 'size' | 'path' | 'checkpointLength' | 'prefixDigests' | 'haveBytes' | 'close'
> {
  /** Deleted while it is open: it can be written on, and never becomes a blob. */
  readonly removed: boolean;
  readonly committed: boolean;
  /** Its owner has let go of it, or is about to: `PartialOwner.closed` follows. */
  readonly closing: boolean;
  markRemoved(): void;
}

/** What a partial blob asks of its store. */
export interface PartialOwner {
  readonly sync: SyncPolicy;
  /** Bytes that an earlier run left. */
  readonly haveBytes: number;
  /** Takes over the closed file, whose content is proven and synced. */
  publish(partial: OwnedPartial): Promise<void>;
  closed(partial: OwnedPartial): Promise<void>;
}

/**
 * Opens an unfinished blob: `PartialFile.open` on this thread, or on one of their own that reads from the network.
 * @throws `range-invalid` for a piece length that gives too many pieces; `disk-full`, `store-unwritable`
 */
export type OpenPartial<T extends OwnedPartial> = (
  owner: PartialOwner,
  paths: { data: string; state: string },
  digest: Digest,
  size: number,
  pieceLength: number,
) => Promise<T>;

/** A store whose unfinished blobs may be opened elsewhere. */
export interface PartialLender {
  /** As `BlobStore.openPartial`: who has the files is `open`'s choice, the store keeps the books. */
  lendPartial<T extends OwnedPartial>(digest: Digest, size: number, pieceLength: number, open: OpenPartial<T>): Promise<T>;
}
