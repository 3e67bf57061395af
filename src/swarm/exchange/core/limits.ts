export interface DownloadLimits {
  /** Other members up to which a swarm is a mesh, where everyone exchanges pieces with everyone. */
  readonly meshNeighbours: number;
  /** Members up to which a node takes those that it is connected to for the whole swarm. */
  readonly wholeSwarm: number;
  /** In a larger one than a mesh, the members that a node exchanges pieces with, about: half of them asked by it, half by others. */
  readonly relayNeighbours: number;
  /** A node to which no piece came for this long reads by itself, even where others are to do that for it. */
  readonly urgentAfterMs: number;
  /** Where pieces are relayed, news is told this often at most. */
  readonly relayNewsMs: number;
  /** The same in a mesh, or `newsOfBlob` times while the blob comes where that is more often, though not more often than `leastNewsMs`. */
  readonly meshNewsMs: number;
  readonly newsOfBlob: number;
  readonly leastNewsMs: number;
  /** A mesh with fewer others than this waits less in proportion: nobody has more messages than in one of that size. */
  readonly meshNewsNeighbours: number;
  /** On slow lines it waits until this many pieces may have come, half as many where they are relayed, but no longer than `mostNewsMs`. */
  readonly newsPieces: number;
  readonly mostNewsMs: number;
  readonly coordinatorNewsMs: number;
  /**
   * Of those who fetch themselves no more is asked at a time than comes in this time, or this many pieces: enough to keep the
   * downlink busy, little so that no uplink has a long queue.
   */
  readonly askedMs: number;
  readonly askedPieces: number;
  /** Bytes that may be requested ahead of the first missing piece: bounds what waits for hashing. */
  readonly windowBytes: number;
  readonly maxRunBytes: number;
  readonly minRunPieces: number;
  /** Requests cover what a peer sends in about this time. */
  readonly runMs: number;
  /** Extents that a node reads at once when nobody else fetches the blob. */
  readonly readsAlone: number;
  /** Each as large as comes in about this time: others may come at any moment, and are to read their part. */
  readonly aloneMs: number;
  /** The next lease is asked for when what is left of the current ones is read in less than this and what an answer takes. */
  readonly readAheadMs: number;
  /** An extent is as large as what leases bring in about this time, with the waits between them. */
  readonly extentMs: number;
  /** Of the first extent, before anything was measured; it has two pieces at least, since the next one is asked for while it comes. */
  readonly firstExtentBytes: number;
  readonly maxExtentBytes: number;
  /** Who gives no byte for this long, or for as many times as a piece usually takes, is silent: what it was to bring is had from others. */
  readonly silenceMs: number;
  readonly silencePieces: number;
  /** The same of the origin, where all wait for one: another who reads there gains little, and reads some of it again. */
  readonly originSilenceMs: number;
  /** A reading of the origin may take this long to its first byte, while pieces come from members; while none come it is waited for. */
  readonly firstReadMs: number;
  /** A request to a slow source of which nothing came for this long, and a round trip, is made at a fast one instead, at the end. */
  readonly rerouteMs: number;
  /** A request older than this, at the end, is made a second time. */
  readonly endgameMs: number;
  /** The same in times that a piece takes to everyone, where that is longer: on slow lines all requests are old. */
  readonly patienceRounds: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = {
  meshNeighbours: 16,
  wholeSwarm: 128,
  relayNeighbours: 16,
  urgentAfterMs: 2000,
  relayNewsMs: 40,
  meshNewsMs: 100,
  newsOfBlob: 50,
  leastNewsMs: 10,
  meshNewsNeighbours: 7,
  newsPieces: 6,
  mostNewsMs: 400,
  coordinatorNewsMs: 500,
  askedMs: 64,
  askedPieces: 8,
  windowBytes: 64 << 20,
  maxRunBytes: 4 << 20,
  minRunPieces: 4,
  runMs: 200,
  readsAlone: 4,
  aloneMs: 2000,
  readAheadMs: 200,
  extentMs: 500,
  firstExtentBytes: 256 << 10,
  maxExtentBytes: 16 << 20,
  silenceMs: 2000,
  silencePieces: 8,
  originSilenceMs: 4000,
  firstReadMs: 6000,
  rerouteMs: 100,
  endgameMs: 1000,
  patienceRounds: 32,
};
