/**
 * A duplex byte stream as a lane session needs it: a libp2p stream, a TLS socket. The bytes arrive in order and unchanged or not
 * at all.
 */
export interface LaneTransport {
  /** Set by the session before it returns from its constructor; nothing is delivered earlier. */
  handler: TransportHandler | undefined;
  /**
   * Takes bytes to send, in order. False: the transport's buffer is full, `onDrain` follows; what was given is sent all the same.
   * `free` is called when the memory of the last of them can be reused; a transport that cannot tell never calls it.
   */
  send(header: Uint8Array, payload?: Uint8Array, free?: () => void): boolean;
  /** Stops and starts reading. What was read already may still be delivered after `pause`. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes both ways, hard if the peer does not close too. Resolves when closed; never rejects. */
  end(): Promise<void>;
  /** Closes at once. Idempotent; `onClose` follows. */
  destroy(error: Error): void;
}

export interface TransportHandler {
  /** True: the memory is free again, and that of all chunks before. False: it stays in use. */
  onData(chunk: Uint8Array): boolean;
  onDrain(): void;
  /** Once. The error when it broke, undefined when the peer ended it. */
  onClose(error: Error | undefined): void;
}
