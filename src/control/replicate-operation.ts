import { z } from 'zod';
import type { Operation } from './operation.ts';

export interface ReplicateRunRequest {
  readonly dryRun?: boolean | undefined;
  /** Names; all when absent. */
  readonly policy?: string | undefined;
  readonly target?: string | undefined;
}

/** One tag on its way to one target. */
export interface ReplicatedTag {
  readonly policy: string;
  readonly target: string;
  readonly repository: string;
  readonly tag: string;
  readonly state: 'waiting' | 'done' | 'failed';
  /** By this node, and now: the target did not have it. */
  readonly copied: boolean;
  readonly error: string | null;
}

/** What a copy would do. */
export interface PlannedTag {
  readonly policy: string;
  readonly target: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string | null;
  /** `same`: nothing but maybe what refers to it. `keep`: the policy leaves the other one there. */
  readonly change: 'same' | 'new' | 'move' | 'keep' | 'none';
  /** What the tag means at the target now, when that is something else. */
  readonly from: string | null;
  readonly manifests: number;
  readonly blobs: number;
  /** Bytes that would be sent at most: some may be linked from another repository. */
  readonly bytes: number;
  readonly error: string | null;
}

export interface ReplicateRunResult {
  readonly dryRun: boolean;
  readonly tags: readonly ReplicatedTag[];
  readonly plan: readonly PlannedTag[];
}

export type ReplicateRunOperation = Operation<ReplicateRunRequest, ReplicatedTag, ReplicateRunResult>;

const name = z.string().min(1).max(64);

export const replicateRunRequest: z.ZodType<ReplicateRunRequest> = z.strictObject({
  dryRun: z.boolean().optional(),
  policy: name.optional(),
  target: name.optional(),
});
