import type { Digest } from '../oci/digest.ts';
import type { Origin } from '../origin/origin.ts';
import type { RemoteReads } from '../origin/remote-reads.ts';
import type { StreamOptions } from '../store/blob-store.ts';

/** What the registry endpoint, the control socket and the status page use of the swarm's exchange of blobs. */
export interface BlobExchange {
  /**
   * Gets a blob here: joins the download under way, starts one, or answers at once when the store has it. The callers of one
   * blob share one download; it goes on while any of them is interested (`release`), and is kept partial when none is.
   */
  fetch(request: BlobRequest): BlobFetch;
  /**
   * Whether the blob could be had with the origin away: the store has it, or a connected member says that it holds it whole or
   * is fetching it. Downloads nothing and never asks the origin; false when the signal ends the search.
   */
  findable(digest: Digest, signal: AbortSignal): Promise<boolean>;
  /**
   * Bytes [start, end) of a blob in their order, straight from members that hold it whole, and not proven: for what the store here cannot take.
   * @throws `not-found` when no member gives what is left of them
   */
  readHeld(digest: Digest, range: { start: number; end: number }, signal: AbortSignal): AsyncIterable<Uint8Array>;
  transfers(): readonly TransferStatus[];
}

/** `ignored`: the origin gives blobs whole, whatever part is asked for. `unknown` before it was asked for any. */
export type RangeUse = 'heeded' | 'ignored' | 'unknown';

/** What of an origin blobs are read with. */
export interface BlobOrigin extends Pick<Origin, 'url' | 'blobSize' | 'readBlob'> {
  /** Whether it heeds Range, as far as that was seen here; absent where parts can always be had. */
  readonly ranges?: RangeUse;
  /** How the bulk thread reads its blobs; absent where that is over a member's lane. */
  readonly reads?: RemoteReads;
  /** So many bytes of blobs were read from it by other ways than `readBlob`. `answers`: what it gave there that its client did not see. */
  readElsewhere?(bytes: number, answers: Readonly<Record<string, number>>): void;
}

export interface BlobRequest {
  readonly digest: Digest;
  /** Bytes, where a verified manifest says it; else it is asked for. */
  readonly size?: number;
  /** Repository at the origin that links the blob, as in `/v2/<repository>/`. */
  readonly repository: string;
  /** The registry that holds it, where that is not the swarm's own origin. */
  readonly origin?: BlobOrigin;
  /** False where the operator excluded the repository from the swarm: read from the origin only, and not announced. */
  readonly shared?: boolean;
  /** Id of the pull that wants it, for the log. */
  readonly pull?: string | undefined;
  /** `peers`: never read from the origin; ends with `not-found` when no member has it. For manifests, which origins do not serve as blobs. */
  readonly sources?: 'any' | 'peers';
}

/** What a client waits for. */
export interface WantedPart {
  /** Of the bytes that it asked for. */
  readonly end: number;
  /** It wants all of the rest in the end: while others fetch the blob, too, the origin is read only in turn. */
  readonly isPatient: boolean;
}

export interface BlobFetch {
  readonly digest: Digest;
  /** Known as soon as anybody knows it. @throws `not-found`, `origin-…`, `unavailable` */
  size(): Promise<number>;
  /** The blob is in the store, proven. @throws as `size`, and `verification-failed`, `disk-full` */
  done(): Promise<void>;
  /** Proven bytes of [start, end) as they can be given to a client; see "What always holds" in ARCHITECTURE.md. */
  read(start: number, end: number, signal: AbortSignal, options?: StreamOptions): AsyncIterable<Uint8Array>;
  /**
   * Bytes from `offset` to the end of its piece while the blob is not proven, where they are vouched for. With `wanted` they are asked for
   * before all others: of members that hold them, else of the origin where whole pieces are wanted.
   */
  vouchedPiece(offset: number, wanted?: WantedPart): Promise<Uint8Array | undefined>;
  progress(): TransferStatus;
  /** This caller is no longer interested. Idempotent. */
  release(): void;
}

/** Told of a decision of a transfer; absent where nobody listens. `peer`: an id. */
export type Say = (message: string, fields: Readonly<Record<string, string | number | undefined>>) => void;

/** What goes on now, for metrics. */
export interface ExchangeActivity {
  /** Extents that this node, as the coordinator of their blobs, has given out to be read. */
  readonly leases: number;
  /** Extents that this node reads. */
  readonly reads: number;
  /** Ranges that members asked for: those on their way, and those that wait for their turn. */
  readonly sending: number;
  readonly waiting: number;
  /** Blobs that this node, as their coordinator, keeps books of. */
  readonly coordinated: number;
  /** Connections to the bulk port whose ticket has not come. */
  readonly bulkStrangers: number;
}

/** Bytes moved since start, for metrics. */
export interface ExchangeTotals {
  /** Pieces of blobs that came and were proven. */
  verifiedPieces: number;
  fromOriginBytes: number;
  fromPeersBytes: number;
  toPeersBytes: number;
  /** Given to clients before they were proven. */
  vouchedBytes: number;
}

export interface TransferStatus {
  readonly digest: Digest;
  readonly repository: string;
  readonly sizeBytes: number | undefined;
  readonly haveBytes: number;
  readonly fromOriginBytes: number;
  readonly fromPeers: ReadonlyMap<string, number>;
  readonly bytesPerSecond: number;
  readonly stalls: number;
  readonly retries: number;
  readonly state: 'finding' | 'fetching' | 'verifying' | 'done' | 'failed';
  readonly startedAt: number;
  /** What came from where, as `makeStrip` has it, with `fromPeers` as the list; undefined while there are no pieces, and where it was here already. */
  readonly strip?: Uint8Array | undefined;
}
