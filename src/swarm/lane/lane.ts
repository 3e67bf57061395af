import type { Digest } from '../../oci/digest.ts';

/**
 * A lane carries blob ranges between this node and one peer, both ways. Which pieces to ask for is decided elsewhere;
 * a lane moves bytes, with back-pressure, in the order it was told. `StreamLane` runs over a libp2p stream, `TlsLane` over native
 * TLS in a worker thread; every implementation passes `test/unit/swarm/lane/conformance.ts`.
 */
export interface Lane {
  readonly peerId: string;
  readonly kind: 'stream' | 'tls';
  /**
   * Asks the peer for [start, end) of a blob. Chunks go to `target` in order as they arrive, one at a time; while a chunk's
   * promise is open the lane reads on for half a megabyte at most. Resolves with the sender's note when the target has all of the
   * range. After it settled nothing is written to `target` any more.
   * @throws `not-found` (the peer has not, or no longer, all of it), `unavailable` (it cannot now), `peer-gone`,
   * `peer-misbehaved`, `timeout` (no byte for the stall time), `aborted`, and whatever `target` throws
   */
  request(blob: Digest, range: ByteRange, target: RangeTarget, signal: AbortSignal): Promise<Uint8Array>;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  close(): Promise<void>;
}

export interface ByteRange {
  /** Inclusive. */
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** A range of a file, whose bytes the lane reads by itself (in its worker, where it has one). */
export interface FileRange {
  /** Absolute. */
  readonly path: string;
  /** Offset in the file, inclusive. */
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * Where bytes go; a `PartialBlob` is one. The chunk's memory is reused after the promise resolved (after the call, when it
 * returns nothing).
 */
export interface RangeTarget {
  write(offset: number, chunk: Uint8Array): Promise<void> | void;
  /** Set when a worker has the file open: a lane that runs in that worker writes the bytes there itself instead of calling `write`. */
  readonly hosted?: HostedFile | undefined;
}

/** A file that a bulk worker has open. */
export interface HostedFile {
  /** The worker's handle on this side; a lane of another worker cannot write there. */
  readonly host: object;
  readonly id: number;
  /** The one lane that wrote there is through: the worker takes nothing more for it. */
  ended(): void;
}

/** The bytes that answer a request. `note` travels with them (the lease holder's statement, say): opaque, at most 4 KiB. */
export type LaneAnswer =
  | { readonly bytes: Uint8Array; readonly note: Uint8Array }
  /** `close` is called once when the lane needs the file no longer, so that it can count as in use until then. */
  | { readonly file: FileRange; readonly note: Uint8Array; close?(): void };

/** What a node serves over its lanes; one for all of them. */
export interface LaneSource {
  /** Reads a range that the peer asked for, or undefined when it may not have it or not all of it is here. */
  read(peerId: string, blob: Digest, range: ByteRange): Promise<LaneAnswer | undefined>;
  /** Told the bytes that a lane gave to peers without calling `read`: of pieces that are shared where the file is. */
  served?(bytes: number): void;
}
