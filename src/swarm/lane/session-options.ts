import type { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { WordFrame } from './frame.ts';
import type { ByteRange, LaneAnswer } from './lane.ts';
import type { Bandwidth } from './pace/bandwidth.ts';
import type { UploadSlots } from './upload-slots.ts';

/** What the node serves to the peer of one lane; as `LaneSource`. */
export interface SessionSource {
  read(blob: Digest, range: ByteRange): Promise<LaneAnswer | undefined> | LaneAnswer | undefined;
}

/** Who takes what the peer says about blobs. */
export interface WordSink {
  /** Takes a word before it returns. A promise: nothing more is read before it resolved. @throws `peer-misbehaved` */
  heard(frame: WordFrame): Promise<void> | undefined;
  /** Whether an answer to this ask is awaited: nobody else's may be long. */
  awaits(id: number): boolean;
}

export interface SessionOptions {
  readonly peerId: string;
  /** IP address of the peer, or the group of addresses that it counts to. */
  readonly host: string;
  /** The side that opened the lane waits for the other's hello. */
  readonly role: 'opener' | 'acceptor';
  readonly source: SessionSource;
  readonly words: WordSink;
  /** A request or a cancel was read. A promise: nothing more is read before it resolved. */
  readonly asked: () => Promise<void> | undefined;
  readonly stallMs?: number | undefined;
  readonly idleMs?: number | undefined;
  /** Of all lanes of this thread. */
  readonly slots: UploadSlots;
  readonly bandwidth?: Bandwidth | undefined;
  /** The lane takes nothing new from now on: whoever wants to begin something needs another. Before `onClosed`. */
  readonly onDraining?: () => void;
  readonly onClosed?: (reason: LayerswarmError) => void;
}
