import { unlessAborted } from '../../async/abort.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobStore, StreamOptions } from '../../store/blob-store.ts';
import type { WantedPart } from '../swarm.ts';

/**
 * `proven`: a client gets bytes once the whole blob is proven; while it waits, one vouched piece each 15 s keeps its own time-out
 * away. `vouched`: each piece as soon as it is vouched for, in order.
 */
export type EmitPolicy = 'proven' | 'vouched';

/** Clients bear a minute of silence at the least (containerd 1.7's CRI); none is to be without a byte for 20 s, of which a piece takes some on a slow line. */
const TRICKLE_MS = 15_000;
const VOUCHED_POLL_MS = 50;

export interface ClientReadOptions extends StreamOptions {
  readonly emit: EmitPolicy;
  /** Told the bytes that were given out before they were proven. */
  readonly onVouched: (bytes: number) => void;
  /** A client of `proven` bytes gets a vouched piece this often while it waits. */
  readonly trickleMs?: number;
}

/** A blob on its way. */
export interface BlobOnItsWay {
  readonly digest: Digest;
  /** It is in the store, proven. */
  done(): Promise<void>;
  /** As `BlobFetch.vouchedPiece`. */
  vouchedPiece(offset: number, wanted?: WantedPart): Promise<Uint8Array | undefined>;
}

/** Bytes [start, end) of the blob that `transfer` brings, as a client may have them. */
export async function* clientBytes(
  transfer: BlobOnItsWay,
  blobs: BlobStore,
  start: number,
  end: number,
  options: ClientReadOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let position = start;
  const { emit, trickleMs = TRICKLE_MS } = options;
  const wanted = (): WantedPart | undefined => {
    // Its turn has come: whoever has the piece is asked for it before all others, or it may be the last to arrive.
    if (emit === 'proven') return { end: position + 1, isPatient: true };
    // containerd's parallel reads begin anywhere, name no end, and are cut where the next begins
    return start > 0 ? { end, isPatient: true } : undefined;
  };
  let pollMs = emit === 'proven' ? trickleMs : start > 0 ? 0 : VOUCHED_POLL_MS;
  const proven = transfer.done().then(() => true);
  proven.catch(() => undefined);
  signal.throwIfAborted();
  while (position < end && !(await unlessAborted(Promise.race([proven, after(pollMs)]), signal))) {
    if (emit === 'vouched') pollMs = VOUCHED_POLL_MS;
    do {
      const piece = await transfer.vouchedPiece(position, wanted());
      if (piece === undefined) break;
      const bytes = piece.subarray(0, end - position);
      options.onVouched(bytes.length);
      position += bytes.length;
      yield bytes;
    } while (options.emit === 'vouched' && position < end);
  }
  if (position >= end) return;
  const reader = await blobs.open(transfer.digest);
  try {
    for await (const chunk of reader.stream(position, end, options)) {
      signal.throwIfAborted();
      yield chunk;
    }
  } finally {
    await reader.close();
  }
}

/** False after `ms`; holds up no shutdown. */
async function after(ms: number): Promise<false> {
  return await new Promise((resolve) => {
    setTimeout(() => resolve(false), ms).unref();
  });
}
