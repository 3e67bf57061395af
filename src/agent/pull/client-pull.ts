import type { Digest } from '../../oci/digest.ts';
import type { ClientName } from '../../registry/client-name.ts';
import type { Receipt, ReceiptBlob } from '../../status/receipt-document.ts';
import type { TransferStatus } from '../../swarm/swarm.ts';
import { makeReceipt, type StateClock } from './receipt.ts';
import { stripRuns } from './strip-runs.ts';

export type AskedBlob =
  | { readonly kind: 'stored'; readonly size: number }
  | { readonly kind: 'coming'; readonly digest: Digest; readonly size: number; readonly error?: string }
  | { readonly kind: 'arrived'; readonly digest: Digest; readonly size: number; readonly at: number };

/** One that runs. */
export interface ClientPull {
  readonly id: string;
  readonly client: ClientName;
  readonly reference: string;
  readonly digest: string;
  readonly repository: string;
  readonly startedAt: number;
  /** What the manifest names. */
  readonly blobs: ReadonlySet<string>;
  /** What the client asked for of them. */
  readonly asked: Map<string, AskedBlob>;
  readonly clocks: Map<string, StateClock>;
  firstByteAt: number | undefined;
  lastAskedAt: number;
}

/** A manifest that a client could not be given. */
export interface PullFailure {
  readonly id: string;
  readonly client: ClientName;
  readonly reference: string;
  readonly startedAt: number;
  readonly error: string;
  readonly lastAt: number;
}

/** Of a pull that is over. */
export function receiptOfPull(pull: ClientPull, transfers: ReadonlyMap<string, TransferStatus>): Receipt {
  const blobs = [...pull.asked].map(([digest, blob]) => blobReceipt(pull, digest, blob, transfers.get(digest)));
  const missing = [...pull.asked.values()].flatMap((blob) => (blob.kind === 'coming' ? [blob] : []));
  const error = missing.find((blob) => blob.error !== undefined)?.error;
  const endedAt = Math.max(
    pull.startedAt,
    missing.length > 0 ? pull.lastAskedAt : 0,
    ...[...pull.asked.values()].flatMap((blob) => (blob.kind === 'arrived' ? [blob.at] : [])),
  );
  const seconds = (endedAt - pull.startedAt) / 1000;
  return makeReceipt({
    id: pull.id,
    client: pull.client,
    result: missing.length === 0 ? 'done' : error === undefined ? 'aborted' : 'failed',
    error: missing.length === 0 ? null : (error ?? 'the client went away before all was here'),
    reference: pull.reference,
    digest: pull.digest,
    startedAt: new Date(pull.startedAt).toISOString(),
    finishedAt: new Date(endedAt).toISOString(),
    seconds,
    firstByteSeconds: pull.firstByteAt === undefined ? null : (pull.firstByteAt - pull.startedAt) / 1000,
    peerNames: {},
    verified: missing.length === 0,
    stale: false,
    phases: [{ name: 'blobs', seconds }],
    blobs,
  });
}

function blobReceipt({ startedAt, clocks }: ClientPull, digest: string, blob: AskedBlob, found: TransferStatus | undefined): ReceiptBlob {
  const transfer = blob.kind === 'stored' ? undefined : found;
  return {
    digest,
    bytes: blob.kind === 'coming' ? (transfer?.haveBytes ?? 0) : blob.size,
    source: blob.kind === 'stored' ? 'store' : 'swarm',
    fromOriginBytes: transfer?.fromOriginBytes ?? 0,
    fromPeersBytes: [...(transfer?.fromPeers.values() ?? [])].reduce((sum, bytes) => sum + bytes, 0),
    peers: Object.fromEntries(transfer?.fromPeers ?? []),
    seconds: blob.kind === 'arrived' ? Math.max(0, blob.at - Math.max(startedAt, transfer?.startedAt ?? 0)) / 1000 : 0,
    waitedSeconds: clocks.get(digest)?.seconds('finding') ?? 0,
    verifySeconds: clocks.get(digest)?.seconds('verifying') ?? 0,
    stalls: transfer?.stalls ?? 0,
    retries: transfer?.retries ?? 0,
    strip: stripRuns(transfer?.strip),
  };
}

/** Of a pull that got no manifest. */
export function receiptOfFailure({ id, client, reference, startedAt, error, lastAt }: PullFailure): Receipt {
  return makeReceipt({
    id,
    client,
    result: 'failed',
    error,
    reference,
    digest: '',
    startedAt: new Date(startedAt).toISOString(),
    finishedAt: new Date(lastAt).toISOString(),
    seconds: (lastAt - startedAt) / 1000,
    firstByteSeconds: null,
    peerNames: {},
    verified: false,
    stale: false,
    phases: [{ name: 'resolve', seconds: (lastAt - startedAt) / 1000 }],
    blobs: [],
  });
}
