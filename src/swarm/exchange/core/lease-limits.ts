/** How many leases a book gives out at a time, and for how long. */
export interface LeaseLimits {
  /**
   * Leases at one time, by the rate at which leased pieces come: as many as get a piece each in `pieceMs`, since with more the origin's
   * line is cut so thin that none makes progress. At least `minLeases`, at most `maxLeases`, and `firstLeases` before anything was measured.
   */
  readonly pieceMs: number;
  readonly minLeases: number;
  readonly firstLeases: number;
  readonly maxLeases: number;
  /**
   * A lease without progress for this long is given to somebody else, or for as long as all leases get so many pieces each, though not
   * beyond `mostExpireMs`; and before the first piece of all for `firstPieceMs`, for that says more of the origin's line than of whoever reads.
   */
  readonly expireAfterMs: number;
  readonly mostExpireMs: number;
  readonly expirePieces: number;
  readonly firstPieceMs: number;
  /** A member that failed to read gets no lease for this long while others ask. */
  readonly failurePauseMs: number;
  /** One that takes over waits this long for those who hold leases of its predecessor to say so. */
  readonly takeoverMs: number;
  /** With nothing to give, the member is told to ask again after this; after less, when there is soon to be something, though no less than `leastRetryMs`. */
  readonly retryMs: number;
  readonly leastRetryMs: number;
  /** A member that got nothing from those who say that they have it may read it itself after this. */
  readonly stuckMs: number;
}

export const LEASE_LIMITS: LeaseLimits = {
  pieceMs: 2500,
  minLeases: 8,
  firstLeases: 32,
  maxLeases: 64,
  expireAfterMs: 6000,
  mostExpireMs: 60_000,
  expirePieces: 4,
  firstPieceMs: 24_000,
  failurePauseMs: 5000,
  takeoverMs: 300,
  retryMs: 100,
  leastRetryMs: 5,
  stuckMs: 3000,
};
