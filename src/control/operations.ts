import type { SeedOperation } from './seed-operation.ts';
import type { Receipt, StatusDocument } from '../status/status-document.ts';

/**
 * Everything that the command line can ask of an agent, as request, progress lines and result. To add one: a line here, its
 * request's schema in `request-schema.ts`, and its handler in `src/agent/operations.ts`.
 */
export interface Operations {
  status: Operation<Record<string, never>, never, StatusDocument>;
  receipts: Operation<Record<string, never>, never, { readonly receipts: readonly Receipt[] }>;
  pull: Operation<PullRequest, PullProgress, PullResult>;
  verify: Operation<Record<string, never>, VerifyProgress, VerifyReport>;
  seed: SeedOperation;
}

export interface Operation<Request, Progress, Result> {
  readonly request: Request;
  readonly progress: Progress;
  readonly result: Result;
}

export type OperationName = keyof Operations;

export interface PullRequest {
  readonly reference: string;
  /** `linux/arm64`, or `all` for every child of an index; the host's own when absent. */
  readonly platform?: string | undefined;
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

export interface VerifyProgress {
  readonly blobs: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface VerifyReport {
  readonly blobs: number;
  readonly bytes: number;
  /** Digests whose bytes on disk were wrong; they were removed. */
  readonly corrupt: readonly string[];
}

/** A line of the answer: any number of progress lines, then one of the others. */
export type AnswerLine<N extends OperationName> =
  | { readonly progress: Operations[N]['progress'] }
  | { readonly result: Operations[N]['result'] }
  | { readonly error: { readonly code: string; readonly message: string; readonly detail?: Record<string, unknown> } };
