import type { PullRequest } from './pull-operation.ts';

export interface PullPlan {
  readonly reference: string;
  readonly digest: string;
  /** Of the whole image. */
  readonly bytes: number;
  readonly missingBytes: number;
  readonly blobs: readonly { readonly digest: string; readonly bytes: number; readonly here: boolean }[];
}

export interface PrefetchRequest extends PullRequest {
  /** Only the members of this zone, and this node where it is of it. */
  readonly zone?: string | undefined;
  /** Says whom it would ask. */
  readonly dryRun?: boolean | undefined;
}

export interface PrefetchProgress {
  readonly reference: string;
  readonly digest: string;
  readonly nodes: readonly NodeOutcome[];
}

export interface PrefetchReport extends PrefetchProgress {
  /** Every node that allows it has the image. */
  readonly complete: boolean;
}

/** How one node fares with a prefetch. `refused`: its configuration does not allow it. `gone`: it left, or answers no more. */
export interface NodeOutcome {
  readonly peerId: string;
  /** What it calls itself; empty where it has said nothing. */
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'refused' | 'gone';
  readonly reason: string | null;
  readonly sizeBytes: number;
  readonly haveBytes: number;
  readonly fromOriginBytes: number;
  readonly fromPeersBytes: number;
  readonly seconds: number;
}
