import type { Digest } from '../../oci/digest.ts';

/**
 * A lane carries blob ranges from one peer to this node. Which pieces to ask for is decided elsewhere; a lane moves bytes, with
 * back-pressure, in the order it was told. One protocol (`LaneSession`) runs over two transports: a libp2p stream, and native TLS;
 * both pass `test/unit/swarm/lane/conformance.ts`.
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

/** Where bytes go. The chunk's memory is reused after the promise resolved (after the call, when it returns nothing). */
export interface RangeTarget {
  write(offset: number, chunk: Uint8Array): Promise<void> | void;
  /** Told the note that comes before the bytes. What it throws ends the request. */
  noted?(note: Uint8Array): void;
}

/** Where bytes are read from, into memory that is used again and again. */
export interface ByteSource {
  /** Fills `bytes` with what is at `offset`. Done when it returns nothing. @throws when it cannot give all of them */
  readInto(bytes: Uint8Array, offset: number): Promise<void> | void;
}

/** The bytes that answer a request. `note` travels with them (the lease holder's statement, say): opaque, at most 16 KiB. */
export type LaneAnswer =
  | { readonly bytes: Uint8Array; readonly note: Uint8Array }
  /** `close` is called once when the lane needs the source no longer, so that it can count as in use until then. */
  | { readonly source: ByteSource; readonly range: ByteRange; readonly note: Uint8Array; close?(): void };

/** What a node serves over its lanes; one for all of them. */
export interface LaneSource {
  /** Reads a range that the peer asked for, or undefined when it may not have it or not all of it is here. */
  read(peerId: string, blob: Digest, range: ByteRange): Promise<LaneAnswer | undefined> | LaneAnswer | undefined;
}
