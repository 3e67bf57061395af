import type { Grade } from '../../../store/blob-store.ts';
import type { ByteRange, FileRange } from '../lane.ts';
import type { SharedBandwidth } from '../pace/bandwidth.ts';

/** What a new worker is given. */
export interface BulkWorkerOptions {
  readonly stallMs: number | undefined;
  readonly idleMs: number | undefined;
  readonly bandwidth: SharedBandwidth | undefined;
}

/** Where bytes of a request go: a sender of a hosted blob, or (`port`) over to the main thread. */
export type Sink = { readonly kind: 'hosted'; readonly sender: number } | { readonly kind: 'port'; readonly sink: number };

export interface BulkAddress {
  /** IP address, or a name. */
  readonly host: string;
  readonly port: number;
}

export interface LaneCounters {
  readonly lane: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** The answer to a request, as the main thread gives it to the worker. */
export type PortAnswer =
  | { readonly kind: 'file'; readonly note: Uint8Array; readonly file: FileRange; readonly answer: number }
  | { readonly kind: 'bytes'; readonly note: Uint8Array; readonly bytes: Uint8Array };

/** State of a hosted blob's hash after some call. */
export interface HashState {
  readonly hashedBytes: number;
  readonly verdict: boolean | undefined;
}

interface Method<P, R = void> {
  readonly params: P;
  readonly result: R;
}

/** What the worker does for the main thread. */
export interface WorkerMethods {
  fingerprint: Method<undefined, Uint8Array>;
  /** @throws `port-taken`, `config-invalid` */
  listen: Method<{ host: string; port: number }, number>;
  /** Milliseconds from now. */
  admit: Method<{ secret: Uint8Array; peerId: string; fingerprint: Uint8Array; expiresInMs: number }>;
  /** Resolves with the lane's number when the peer has greeted, after `laneOpened`. */
  dial: Method<{ peerId: string; addresses: readonly BulkAddress[]; fingerprint: Uint8Array; ticket: Uint8Array; timeoutMs: number }, number>;
  /** A sender that it writes to is closed with it. */
  request: Method<{ lane: number; blob: string; range: ByteRange; sink: Sink }, Uint8Array>;
  drainLane: Method<{ lane: number }>;
  closeLane: Method<{ lane: number }>;
  stop: Method<undefined>;

  openPartial: Method<
    { paths: { data: string; state: string }; digest: string; size: number; pieceLength: number; syncBytes: number; syncIntervalMs: number },
    { partial: number; grades: Uint8Array; checkpointLength: number }
  >;
  writePartial: Method<{ partial: number; offset: number; bytes: Uint8Array }>;
  completePieces: Method<{ partial: number; pieces: number[]; grade: Grade }>;
  /** What a sender wrote is not wanted after all: it can be sent again. */
  rejectPiece: Method<{ partial: number; piece: number }>;
  /** The worker may give pieces from `first` on to members without asking, each with its note, until they are discarded. */
  sharePieces: Method<{ partial: number; first: number; notes: readonly Uint8Array[] }>;
  /** With all prefix digests that are left. */
  discardPieces: Method<{ partial: number; pieces: readonly number[] }, HashState & { digests: readonly Uint8Array[] }>;
  advancePartial: Method<{ partial: number }, HashState>;
  commitPartial: Method<{ partial: number }>;
  closePartial: Method<{ partial: number }>;
  removePartial: Method<{ partial: number }>;
  openSender: Method<{ partial: number; sender: number; start: number }>;
  writeSender: Method<{ sender: number; offset: number; bytes: Uint8Array }>;
  closeSender: Method<{ sender: number }>;
}

/** What the main thread does for the worker. */
export interface MainMethods {
  /** A lane can be used; `dialled` by this side, or opened by the peer. */
  laneOpened: Method<{ lane: number; peerId: string; dialled: boolean }>;
  /** The lane takes nothing new. */
  laneDraining: Method<{ lane: number }>;
  laneClosed: Method<{ lane: number; code: string; message: string }>;
  counters: Method<readonly LaneCounters[]>;
  /** Bytes of shared pieces that were given to members. */
  served: Method<{ bytes: number }>;
  /** As `LaneSource.read`. */
  read: Method<{ lane: number; blob: string; range: ByteRange }, PortAnswer | undefined>;
  /** The file of that answer is needed no longer. */
  closeAnswer: Method<{ answer: number }>;
  write: Method<{ sink: number; offset: number; bytes: Uint8Array }>;

  /** These pieces are whole on disk, and came from that sender. */
  piecesWritten: Method<{ sender: number; pieces: number[] }>;
  checkpoint: Method<{ partial: number; epoch: number; index: number; digest: Uint8Array }>;
  /** Take over the closed file, whose content is proven and synced. */
  publish: Method<{ partial: number }>;
}
