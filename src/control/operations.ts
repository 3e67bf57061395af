import type {
  GcRequest,
  GcSummary,
  PinReport,
  PinRequest,
  PinStatus,
  PurgeReport,
  PurgeRequest,
  UnpinReport,
  UnpinRequest,
  VerifyProgress,
  VerifyReport,
  VerifyRequest,
} from './keep-operation.ts';
import type { Operation } from './operation.ts';
import type { CharterOperation, CharterPublishOperation } from './charter-operation.ts';
import type { PrefetchProgress, PrefetchReport, PrefetchRequest, PullPlan } from './prefetch-operation.ts';
import type { PullProgress, PullRequest, PullResult } from './pull-operation.ts';
import type { ReplicateRunOperation } from './replicate-operation.ts';
import type { SeedOperation } from './seed-operation.ts';
import type { Receipt } from '../status/receipt-document.ts';
import type { StatusDocument } from '../status/status-document.ts';

/**
 * Everything that the command line can ask of an agent, as request, progress lines and result. To add one: a line here, its
 * request's schema in `request-schema.ts`, and its handler in the room of `src/agent` that does it, which `agent.ts` gives to the server.
 */
export interface Operations {
  status: Operation<Record<string, never>, never, StatusDocument>;
  receipts: Operation<Record<string, never>, never, { readonly receipts: readonly Receipt[] }>;
  pull: Operation<PullRequest, PullProgress, PullResult>;
  /** What a pull would fetch. */
  plan: Operation<PullRequest, never, PullPlan>;
  /** A pull on the members of the swarm. */
  prefetch: Operation<PrefetchRequest, PrefetchProgress, PrefetchReport>;
  pins: Operation<Record<string, never>, never, { readonly pins: readonly PinStatus[] }>;
  pin: Operation<PinRequest, never, PinReport>;
  unpin: Operation<UnpinRequest, never, UnpinReport>;
  purge: Operation<PurgeRequest, never, PurgeReport>;
  gc: Operation<GcRequest, never, GcSummary>;
  verify: Operation<VerifyRequest, VerifyProgress, VerifyReport>;
  charter: CharterOperation;
  'charter-publish': CharterPublishOperation;
  seed: SeedOperation;
  'replicate-run': ReplicateRunOperation;
}

export type OperationName = keyof Operations;

/** A line of the answer: any number of progress lines, then one of the others. */
export type AnswerLine<N extends OperationName> =
  | { readonly progress: Operations[N]['progress'] }
  | { readonly result: Operations[N]['result'] }
  | { readonly error: { readonly code: string; readonly message: string; readonly detail?: Record<string, unknown> } };
