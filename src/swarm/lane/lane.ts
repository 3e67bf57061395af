import type { Digest } from '../../oci/digest.ts';

/**
 * A lane carries blob ranges between this node and one peer, both ways. Which pieces to ask for or to push is decided elsewhere;
 * a lane moves bytes, with back-pressure, in the order it was told. `StreamLane` runs over a libp2p stream; every
 * implementation passes `test/unit/swarm/lane/conformance.ts`.
 */
export interface Lane {
  readonly peerId: string;
  readonly kind: 'stream' | 'tls';
  /**
   * Asks the peer for [start, end) of a blob. Chunks go to `target` in order as they arrive; the lane reads no further before a
   * chunk's promise resolved. Resolves with the sender's note when all of the range was delivered.
   * @throws `not-found` (the peer has not, or no longer, all of it), `peer-gone`, `timeout` (no byte for the stall time), `aborted`
   */
  request(blob: Digest, range: ByteRange, target: RangeTarget, signal: AbortSignal): Promise<Uint8Array>;
  /**
   * Sends a range that the peer subscribed to without being asked. Resolves when the bytes are handed to the transport, and
   * false when the peer cancelled it. @throws `peer-gone`, `aborted` (not yet begun; a begun push is finished)
   */
  push(blob: Digest, range: ByteRange, bytes: Uint8Array, note: Uint8Array, signal: AbortSignal): Promise<boolean>;
  /** Bytes queued or in flight towards the peer. */
  readonly sendBacklog: number;
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

/**
 * Where bytes go; a `PartialBlob` is one. A lane that reads in a worker may hand the bytes to a target that lives in the same
 * worker without passing through here. The chunk's memory is reused after the promise resolved.
 */
export interface RangeTarget {
  write(offset: number, chunk: Uint8Array): Promise<void>;
}

/** What a node serves over its lanes; one for all of them. */
export interface LaneSource {
  /**
   * Reads a range that the peer asked for, or undefined when it may not have it or not all of it is here. `note` travels with
   * the answer (the lease holder's statement, say): opaque to the lane, at most 4 KiB.
   */
  read(peerId: string, blob: Digest, range: ByteRange): Promise<{ chunks: AsyncIterable<Uint8Array>; note: Uint8Array } | undefined>;
  /** A push begins: says where its bytes go, or undefined to refuse it (not subscribed, already here). */
  acceptPush(peerId: string, blob: Digest, range: ByteRange, note: Uint8Array): PushReceiver | undefined;
}

export interface PushReceiver {
  readonly target: RangeTarget;
  /** All bytes arrived, or (false) the push broke off. */
  done(complete: boolean): void;
}
