import type { Receipt } from '../status/receipt-document.ts';

export interface PullRequest {
  readonly reference: string;
  /** `linux/arm64` and the like, or `all` for every child of an index; the host's own when absent. */
  readonly platforms?: readonly string[] | undefined;
}

export interface PullResult {
  readonly receipt: Receipt;
}

export type PullProgress =
  | { readonly kind: 'resolved'; readonly reference: string; readonly digest: string; readonly stale: boolean }
  | { readonly kind: 'blobs'; readonly blobs: readonly BlobProgress[] };

export interface BlobProgress {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly haveBytes: number;
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
  readonly bytesPerSecond: number;
  readonly state: 'waiting' | 'finding' | 'fetching' | 'verifying' | 'done' | 'failed';
}
