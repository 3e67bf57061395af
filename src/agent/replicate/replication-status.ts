import type { Route } from '../../replicate/policy.ts';
import type { ReplicationQueue } from '../../replicate/queue.ts';
import type { ReplicationStatus } from '../../status/status-document.ts';
import type { ReplicationTargets } from './replication-targets.ts';

const MAX_TROUBLED = 20;

/** How far behind the targets are, and what is the matter with them. */
export function replicationStatus(
  routes: readonly Route[],
  queue: ReplicationQueue,
  targets: ReplicationTargets,
  now: number,
): ReplicationStatus {
  const iso = (at: number | undefined): string | null => (at === undefined ? null : new Date(at).toISOString());
  return {
    policies: [...new Set(routes.map(({ policy }) => policy.name))],
    targets: targets.list().map(({ name, url }) => {
      const { oldestAt, lastCopyAt, lastError, ...totals } = queue.totals(name);
      return {
        name,
        url,
        ...totals,
        lagSeconds: oldestAt === undefined ? 0 : Math.max(0, Math.round((now - oldestAt) / 1000)),
        lastCopyAt: iso(lastCopyAt),
        lastError: lastError?.message ?? null,
        lastErrorAt: iso(lastError?.at),
      };
    }),
    troubled: queue
      .troubled(MAX_TROUBLED)
      .map(({ policy, target, repository, tag, state, attempts, error, nextAt }) => ({
        policy,
        target,
        repository,
        tag,
        failed: state === 'failed',
        attempts,
        error: error ?? '',
        nextAt: state === 'failed' ? null : iso(nextAt),
      })),
  };
}
