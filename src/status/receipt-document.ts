/** One pull that is over. */
export interface Receipt {
  /** Names the pull in logs, and in the `Layerswarm-Pull` header of the registry endpoint's answers. */
  readonly id: string;
  /** By its user agent: containerd, dockerd, podman, …; `cli` is "layerswarm pull", here or at a member's wish. */
  readonly client: string;
  readonly result: 'done' | 'failed' | 'aborted';
  /** One line, when it is not done. */
  readonly error: string | null;
  /** One sentence: where most of the time went. */
  readonly verdict: string;
  readonly startedAt: string;
  /** From the start until a first byte of a blob was there; null when none came. */
  readonly firstByteSeconds: number | null;
  /** Of the blob that was longest looked for before its first byte, and of the one that was longest verified. */
  readonly waitedSeconds: number;
  readonly verifySeconds: number;
  readonly reference: string;
  /** What the reference meant: the digest of the manifest or index. */
  readonly digest: string;
  readonly finishedAt: string;
  /** Of all that was asked for, also what was here before. */
  readonly bytes: number;
  readonly fromStoreBytes: number;
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
  /** Bytes by peer id. */
  readonly peers: Readonly<Record<string, number>>;
  /** What these peers are called, where they said it. */
  readonly peerNames: Readonly<Record<string, string>>;
  readonly seconds: number;
  readonly stalls: number;
  readonly retries: number;
  /** Every digest was checked, over every byte. */
  readonly verified: boolean;
  /** The tag's meaning is from memory, since the origin could not be asked. */
  readonly stale: boolean;
  readonly phases: readonly ReceiptPhase[];
  readonly blobs: readonly ReceiptBlob[];
}

/** Where the time went: phases follow each other. */
export interface ReceiptPhase {
  readonly name: 'resolve' | 'manifests' | 'blobs';
  readonly seconds: number;
}

export interface ReceiptBlob {
  readonly digest: string;
  readonly bytes: number;
  readonly source: 'store' | 'swarm';
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
  /** Bytes by peer id. */
  readonly peers: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Of these, until a source gave its first byte, and after the last byte until the digest was proven. */
  readonly waitedSeconds: number;
  readonly verifySeconds: number;
  readonly stalls: number;
  readonly retries: number;
  /** What of the blob came from where, in its order: 48 parts. Kept of the slowest blobs; absent where nothing is known of its pieces. */
  readonly strip?: readonly StripRun[];
}

/**
 * So many parts of a blob in a row came from there. A number: the peer of that place among the keys of `peers`; `here`: it was here before
 * the pull; `other`: a peer of a transfer with more of them than are told apart; `missing`: it had not come when the pull ended.
 */
export type StripRun = readonly [source: number | 'origin' | 'here' | 'other' | 'missing', parts: number];
