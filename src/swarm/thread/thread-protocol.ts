import type { ErrorCode } from '../../errors.ts';
import type { Failure } from '../../origin/origin-error.ts';
import type { BlobRequest, RemoteReads } from '../../origin/remote-reads.ts';
import type { Dispatchers } from '../../origin/tls.ts';
import type { Answer, Exchange } from '../../origin/transport.ts';
import type { Checkpoints } from '../../store/blob-store.ts';
import type { SlowPeer } from '../exchange/peer-rates.ts';
import type { BulkPlace } from '../lane/bulk/bulk-listener.ts';
import type { LaneUse } from '../lane/lane-use.ts';
import type { SharedBandwidth } from '../lane/pace/bandwidth.ts';
import type { Route } from '../lane/route.ts';
import type { Ban, Peer } from '../network/network.ts';
import type { Message, MessageType } from '../protocol/message.ts';
import type { ExchangeActivity, Say, TransferStatus, WantedPart } from '../swarm.ts';

/** Memory in which the threads keep what limits of the node are used. */
export interface SharedLimits {
  /** As `SharedDebts`: what peers make them do. */
  readonly work: SharedArrayBuffer;
  /** As `SharedSlots`. */
  readonly slots: SharedArrayBuffer;
}

/** What a new bulk thread is given. */
export interface BulkWorkerOptions {
  /** PKCS #8 in PEM: it signs what this node answers for. */
  readonly peerKey: string;
  readonly zone: string | undefined;
  /** Number of this one, and how many there are. */
  readonly thread: number;
  readonly threads: number;
  readonly shared: SharedLimits;
  readonly stallMs: number | undefined;
  readonly idleMs: number | undefined;
  readonly bandwidth: SharedBandwidth | undefined;
  /** Decisions are to be told. */
  readonly isTraced: boolean;
}

/** A member as it was when this was said. */
export type PeerSnapshot = Pick<
  Peer,
  'peerId' | 'name' | 'agent' | 'address' | 'direction' | 'zone' | 'origin' | 'latencyMs' | 'bulkThreads'
>;

/** An origin of the main thread. */
export interface OriginRef {
  readonly id: number;
  readonly url: string;
  /** Absent where it is embedded in a member. */
  readonly reads: Pick<RemoteReads, 'connections' | 'rate'> | undefined;
}

/** A request to one host, which the main thread has the other one send. */
export interface PortExchange extends Pick<Exchange, 'headers' | 'headersTimeout' | 'stallTimeout'> {
  /** The one of the bulk thread's requests that it belongs to. */
  readonly request: number;
  readonly way: keyof Dispatchers;
  readonly url: string;
}

/** What came of it: an answer whose body stays where it is, or none. */
export type PortAnswer =
  | ({ readonly answer: number } & Pick<Answer, 'status' | 'headers'>)
  | ({ readonly code: ErrorCode; readonly message: string } & Pick<Failure, 'transient' | 'outage'>);

export interface FetchParams {
  readonly id: number;
  readonly digest: string;
  readonly size: number | undefined;
  readonly repository: string;
  readonly origin: OriginRef | undefined;
  readonly shared: boolean;
  /** The store does not have it. */
  readonly isAbsent: boolean;
  readonly sources: 'any' | 'peers' | undefined;
  readonly pull: string | undefined;
}

/** `TransferStatus`, for the way between the threads. */
export type PortTransferStatus = Omit<TransferStatus, 'digest'> & { readonly digest: string };

export interface ProgressReport {
  /** Those under way, and the last that ended. */
  readonly transfers: readonly PortTransferStatus[];
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
  readonly toPeersBytes: number;
  readonly verifiedPieces: number;
  readonly activity: ExchangeActivity;
  readonly slow: readonly SlowPeer[];
  readonly lanes: readonly LaneUse[];
  /** Read from origins since the last report: bytes, and how often each answer was given, of those that the main thread did not see. */
  readonly read: readonly { readonly origin: number; readonly bytes: number; readonly answers: Readonly<Record<string, number>> }[];
  /** Peers that were cut for making this node work more than their share. */
  readonly overShare: number;
  /** Pieces that turned out wrong since start, by who answers for them. */
  readonly wrong: readonly (readonly [string, number])[];
}

export interface PortCheckpoints {
  readonly size: number;
  readonly checkpointLength: number;
  readonly digests: readonly Uint8Array[];
}

/** A file, and as `FileGuard.expected` what it is to be compared with as it was when it was opened. */
export interface FoundFile {
  readonly file: string;
  readonly expected: PortCheckpoints | 'unknown' | undefined;
}

export function fromPort(checkpoints: PortCheckpoints): Checkpoints {
  return { ...checkpoints, digests: checkpoints.digests.map((digest) => Buffer.from(digest)) };
}

interface Method<P, R = void> {
  readonly params: P;
  readonly result: R;
}

/** What the bulk thread does for the main thread. */
export interface WorkerMethods {
  /** Listens on the bulk port, where there is to be one; with its number. Without one blobs travel over the control connections alone. @throws `port-taken`, `config-invalid` */
  start: Method<{ listen: BulkPlace | undefined }, number | undefined>;
  /** As `BlobExchange.fetch`; `id` names it from then on. */
  fetch: Method<FetchParams>;
  size: Method<{ id: number }, number>;
  done: Method<{ id: number }>;
  release: Method<{ id: number }>;
  /** As `BlobFetch.vouchedPiece`. */
  vouched: Method<{ id: number; offset: number; wanted: WantedPart | undefined }, Uint8Array | undefined>;
  /** The swarm's own origin is another from now on. */
  originIs: Method<{ origin: OriginRef | undefined }>;
  peerJoined: Method<{ peer: PeerSnapshot }>;
  peerLeft: Method<{ peerId: string }>;
  /** Round trips were measured anew. */
  latencies: Method<readonly (readonly [string, number | undefined])[]>;
  /** What a member says of a blob of the thread's, or of lanes to it, and the answer. The rest of what members say about blobs they say on lanes. */
  message: Method<{ from: string; message: Message }, Message | undefined>;
  /** Closes the blobs that members read and nobody reads just now. */
  closeIdle: Method<undefined>;
  /** Another thread counted a strike against a member. */
  struck: Method<{ member: string; at: number }>;
  /** A blob is in the store no more. */
  blobRemoved: Method<{ digest: string }>;
  /** A partial blob was deleted. */
  partialRemoved: Method<{ partial: number }>;
  closePartial: Method<{ partial: number }>;
  /** Bytes of what a member holds, over its lane; no more than a lane carries in one frame. @throws as `Lane.request` */
  readMember: Method<{ peerId: string; digest: string; start: number; end: number }, Uint8Array>;
  originExchange: Method<PortExchange, PortAnswer>;
  /** Up to `limit` bytes of an answer that is of no use otherwise. */
  originExcerpt: Method<{ answer: number; limit: number }, Uint8Array>;
  originDiscard: Method<{ answer: number }>;
  streamOpened: Method<{ stream: number; route: Route }>;
  streamData: Method<{ stream: number; bytes: Uint8Array }>;
  streamDrained: Method<{ stream: number }>;
  streamClosed: Method<{ stream: number; error: string | undefined }>;
  stop: Method<undefined>;
}

/** What the main thread does for the bulk thread. */
export interface MainMethods {
  said: Method<{ readonly message: string; readonly fields: Parameters<Say>[1] }>;
  /** A failure that nobody waited for. */
  strayed: Method<{ readonly message: string; readonly stack: string | undefined }>;
  progress: Method<ProgressReport>;
  /** A member was wrong: for the other threads. */
  strike: Method<{ member: string; at: number }>;

  send: Method<{ peerId: string; message: Message }>;
  request: Method<{ peerId: string; message: Message; answer: MessageType; timeoutMs: number | undefined }, Message>;
  ban: Method<Ban>;
  /** What the peer said on a lane is no word. */
  misbehaved: Method<{ peerId: string; error: string }>;
  /** One after the other, until there is none. */
  nextProvider: Method<{ search: number; blob: string }, string | undefined>;
  endSearch: Method<{ search: number }>;
  /** The hosts that a peer's signed record lists. */
  recordedHosts: Method<{ peerId: string }, readonly string[]>;
  findClosest: Method<{ key: Uint8Array }, string | undefined>;

  /** Opens a stream for a lane; the number is the caller's choice. @throws `peer-gone` */
  openStream: Method<{ stream: number; route: Route }>;
  streamSend: Method<{ stream: number; bytes: readonly Uint8Array[] }>;
  streamPause: Method<{ stream: number; paused: boolean }>;
  streamEnd: Method<{ stream: number }>;
  streamDestroy: Method<{ stream: number; error: string }>;

  /** Bytes of a complete blob. */
  blobSize: Method<{ digest: string }, number | undefined>;
  mayShare: Method<{ digest: string }, boolean>;
  /** It counts as in use until `closeBlob`. @throws `not-found` */
  openBlob: Method<
    { digest: string },
    { readonly handle: number; readonly size: number; readonly path: string; readonly found: FoundFile | undefined }
  >;
  closeBlob: Method<{ handle: number }>;
  /** As `FileGuard.expected`, `right` and `wrong`, and `GuardedBlobs.doubt`. */
  expectedOf: Method<{ digest: string; file: string }, PortCheckpoints | 'unknown' | undefined>;
  foundRight: Method<{ digest: string; file: string; found: PortCheckpoints }>;
  foundWrong: Method<{ digest: string }>;
  doubtBlob: Method<{ digest: string }>;
  writeBlob: Method<{ digest: string; bytes: Uint8Array }>;
  checkpoints: Method<{ digest: string }, PortCheckpoints | undefined>;
  openPartial: Method<
    { digest: string; size: number; pieceLength: number },
    {
      readonly partial: number;
      readonly paths: { readonly data: string; readonly state: string };
      readonly syncBytes: number;
      readonly syncIntervalMs: number;
    }
  >;
  /** The closed file is proven and synced: gives it its name. */
  publishPartial: Method<{ partial: number; checkpointLength: number; digests: readonly Uint8Array[] }>;
  /** `haveBytes`: undefined where it could not even be opened. */
  partialClosed: Method<{ partial: number; haveBytes: number | undefined; committed: boolean }>;

  originSize: Method<{ origin: number; repository: string; digest: string }, number>;
  /** Sends a request by way of `originExchange`, as often as it takes, and names the answer that counts. */
  originSend: Method<{ origin: number; request: number; what: BlobRequest }, number>;
  /** The body of an answer is read, given up or cut. */
  originClosed: Method<{ answer: number }>;
  originRanges: Method<{ origin: number; heeded: boolean }>;
}
