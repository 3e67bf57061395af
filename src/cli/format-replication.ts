import { formatBytes } from '../quantity.ts';
import type { PlannedTag, ReplicatedTag } from '../control/replicate-operation.ts';
import type { ReplicationStatus } from '../status/status-document.ts';
import { formatSeconds, shortDigest } from './format.ts';
import { table } from './table.ts';

export function formatReplication({ targets, troubled }: ReplicationStatus): string {
  const overview = table(
    [
      { label: 'TARGET', value: ({ name }) => name },
      { label: 'URL', value: ({ url }) => url },
      { label: 'WAITING', value: ({ waiting, running }) => String(waiting + running), align: 'right' },
      { label: 'FAILED', value: ({ failed }) => String(failed), align: 'right' },
      { label: 'LAG', value: ({ lagSeconds }) => (lagSeconds === 0 ? '-' : formatSeconds(lagSeconds)), align: 'right' },
      { label: 'COPIES', value: ({ copies }) => String(copies), align: 'right' },
      { label: 'SENT', value: ({ sentBytes }) => formatBytes(sentBytes), align: 'right' },
      { label: 'LAST COPY', value: ({ lastCopyAt }) => lastCopyAt ?? 'never' },
      { label: 'LAST ERROR', value: ({ lastError, lastErrorAt }) => (lastError === null ? '' : `${lastErrorAt ?? ''} ${lastError}`) },
    ],
    targets,
    'no replication is configured',
  );
  if (troubled.length === 0) return overview;
  return [
    overview,
    '',
    table(
      [
        { label: 'IMAGE', value: ({ repository, tag }) => `${repository}:${tag}` },
        { label: 'TARGET', value: ({ target }) => target },
        { label: 'TRIES', value: ({ attempts }) => String(attempts), align: 'right' },
        { label: 'NEXT', value: ({ nextAt }) => nextAt ?? 'when it moves, or with "layerswarm replicate run"' },
        { label: 'ERROR', value: ({ error }) => error },
      ],
      troubled,
      '',
    ),
  ].join('\n');
}

export function formatPlan(plan: readonly PlannedTag[]): string {
  const bytes = plan.reduce((sum, planned) => sum + planned.bytes, 0);
  const changed = plan.filter(
    ({ change, manifests, error }) => error === null && (change === 'new' || change === 'move' || manifests > 0),
  ).length;
  return [
    table(
      [
        { label: 'IMAGE', value: ({ repository, tag }) => `${repository}:${tag}` },
        { label: 'TARGET', value: ({ target }) => target },
        { label: 'CHANGE', value: ({ change, error }) => (error === null ? change : 'error') },
        { label: 'DIGEST', value: ({ digest }) => (digest === null ? '' : shortDigest(digest)) },
        { label: 'THERE', value: ({ from }) => (from === null ? '' : shortDigest(from)) },
        { label: 'BLOBS', value: ({ blobs }) => String(blobs), align: 'right' },
        { label: 'BYTES', value: ({ bytes: size }) => formatBytes(size), align: 'right' },
        { label: '', value: ({ error }) => error ?? '' },
      ],
      plan,
      'no tag of the origin is wanted by a policy',
    ),
    ...(plan.length === 0 ? [] : ['', `${changed} of ${plan.length} tags differ; at most ${formatBytes(bytes)} would be sent`]),
  ].join('\n');
}

export function formatTags(tags: readonly ReplicatedTag[]): string {
  const failed = tags.filter(({ state }) => state === 'failed').length;
  const copied = tags.filter((tag) => tag.copied).length;
  return tags.length === 0
    ? 'no tag of the origin is wanted by a policy'
    : `${copied} of ${tags.length} tags copied, ${tags.length - failed - copied} up to date without it${failed === 0 ? '' : `, ${failed} failed and are in "layerswarm replicate status"`}`;
}
