export interface DownloadLimits {
  /** Bytes that may be requested ahead of the first missing piece: bounds what waits for hashing. */
  readonly windowBytes: number;
  readonly maxRunBytes: number;
  readonly minRunPieces: number;
  /** Requests cover what a peer sends in about this time. */
  readonly runMs: number;
  /** Extents that a node reads at once when nobody else fetches the blob. */
  readonly readsAlone: number;
  /** The next lease is asked for when what is left of the current ones is read in less than this. */
  readonly readAheadMs: number;
  /** An extent is as large as this node passes on in about this time. */
  readonly extentMs: number;
  /** Pieces of the first extent, before anything was measured. */
  readonly firstExtentPieces: number;
  readonly maxExtentBytes: number;
  /** Pieces that may wait to be pushed to the typical subscriber before another lease is asked for. */
  readonly pushQueuePieces: number;
  readonly pushesPerPeer: number;
  /** A promised piece that others have had for this long is asked for elsewhere. */
  readonly stealAfterMs: number;
  /** Promises of a peer that pushed nothing for this long count no more. */
  readonly promiseMs: number;
  /** A request older than this, at the end, is made a second time. */
  readonly endgameMs: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = {
  windowBytes: 64 << 20,
  maxRunBytes: 4 << 20,
  minRunPieces: 4,
  runMs: 200,
  readsAlone: 4,
  readAheadMs: 200,
  extentMs: 500,
  firstExtentPieces: 4,
  maxExtentBytes: 1 << 20,
  pushQueuePieces: 2,
  pushesPerPeer: 2,
  stealAfterMs: 500,
  promiseMs: 3000,
  endgameMs: 1000,
};
