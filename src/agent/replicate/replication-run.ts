import { onAbort } from '../../async/abort.ts';
import type { PlannedTag, ReplicatedTag, ReplicateRunRequest } from '../../control/replicate-operation.ts';
import { LayerswarmError } from '../../errors.ts';
import type { FoundTag } from '../../replicate/find-work.ts';
import type { Route } from '../../replicate/policy.ts';
import type { Job, ReplicationQueue } from '../../replicate/queue.ts';
import type { Outcome, Replicator } from '../../replicate/replicator.ts';

/** @throws `usage` for a policy or a target that is not configured */
export function checkRunRequest(routes: readonly Route[], { policy, target }: ReplicateRunRequest): void {
  if (routes.length === 0)
    throw new LayerswarmError(
      'usage',
      'no replication is configured: say which images go where under "replication" in the configuration file',
    );
  const unknown =
    policy !== undefined && !routes.some((route) => route.policy.name === policy)
      ? `policy ${JSON.stringify(policy)}`
      : target !== undefined && !routes.some((route) => route.target.name === target)
        ? `target ${JSON.stringify(target)}`
        : undefined;
  if (unknown !== undefined) throw new LayerswarmError('usage', `the configuration has no ${unknown}`);
}

/** What a run would change at the targets, without changing it. @throws `origin-…` */
export async function planReplication(replicator: Replicator, found: AsyncIterable<FoundTag>, signal: AbortSignal): Promise<PlannedTag[]> {
  const planned: PlannedTag[] = [];
  for await (const { route, repository, tag } of found) {
    const base = { policy: route.policy.name, target: route.target.name, repository, tag };
    try {
      const { digest, plan } = await replicator.plan(route, repository, tag, signal);
      planned.push({
        ...base,
        digest: digest.toString(),
        change: plan.tag.kind,
        from: 'from' in plan.tag ? plan.tag.from.toString() : null,
        manifests: plan.manifests.length,
        blobs: plan.blobs.length,
        bytes: plan.blobs.reduce((sum, { size }) => sum + size, 0),
        error: null,
      });
    } catch (error) {
      if (signal.aborted || !(error instanceof LayerswarmError)) throw error;
      planned.push({ ...base, digest: null, change: 'none', from: null, manifests: 0, blobs: 0, bytes: 0, error: error.message });
    }
  }
  return planned;
}

/** Puts what was found into the queue, and waits for the outcome of each first try. @throws `origin-…` */
export async function runReplication(
  replicator: Replicator,
  queue: ReplicationQueue,
  found: AsyncIterable<FoundTag>,
  signal: AbortSignal,
  onProgress: (tag: ReplicatedTag) => void,
): Promise<ReplicatedTag[]> {
  const outcomes = new Map<string, ReplicatedTag>();
  const open = new Set<string>();
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  ended.catch(() => undefined); // awaited below; a run that is given up while it looks for work ends there
  let listed = false;
  const check = (): void => {
    if (listed && open.size === 0) resolve();
  };
  const unsubscribe = replicator.onOutcome((job, outcome) => {
    if (!open.has(keyOf(job)) || outcome.kind === 'waiting') return;
    // a try that had begun before this run says nothing of it: the job has been put in anew and comes again
    const left = queue.find(job);
    if (left !== undefined && left.attempts === 0 && (left.state === 'waiting' || left.state === 'running')) return;
    settle(job, outcome, outcomes, onProgress);
    open.delete(keyOf(job));
    check();
  });
  using _ = onAbort(signal, () => {
    reject(signal.reason as Error);
  });
  try {
    for await (const { route, repository, tag } of found) {
      const key = { policy: route.policy.name, target: route.target.name, repository, tag };
      open.add(keyOf(key));
      replicator.put(route, repository, tag, undefined, true);
    }
    listed = true;
    check();
    await ended;
    return [...outcomes.values()];
  } finally {
    unsubscribe();
  }
}

function settle(
  job: Pick<Job, 'policy' | 'target' | 'repository' | 'tag'>,
  outcome: Exclude<Outcome, { kind: 'waiting' }>,
  outcomes: Map<string, ReplicatedTag>,
  onProgress: (tag: ReplicatedTag) => void,
): void {
  const { policy, target, repository, tag } = job;
  const line: ReplicatedTag = {
    policy,
    target,
    repository,
    tag,
    state: outcome.kind,
    copied: outcome.kind === 'done' && outcome.copied,
    error: outcome.kind === 'failed' ? outcome.error.message : null,
  };
  outcomes.set(keyOf(job), line);
  onProgress(line);
}

function keyOf({ policy, target, repository, tag }: Pick<Job, 'policy' | 'target' | 'repository' | 'tag'>): string {
  return [policy, target, repository, tag].join('\n');
}
