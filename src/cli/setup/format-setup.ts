import type { ReloadOutcome } from '../../setup/reload.ts';
import type { FileChange } from '../../setup/setup.ts';

export interface SetupReport {
  readonly runtime: string;
  readonly undo: boolean;
  readonly dryRun: boolean;
  /** null for an undo. */
  readonly endpoint: string | null;
  readonly registries: readonly string[];
  readonly changes: readonly FileChange[];
  /** null where nothing was told to the runtime: a dry run, or --no-reload. */
  readonly reload: ReloadOutcome | null;
  readonly notes: readonly string[];
}

const DONE: Readonly<Record<FileChange['action'], string>> = { create: 'made', modify: 'changed', remove: 'removed' };

export function formatSetup({ runtime, undo, dryRun, endpoint, registries, changes, reload, notes }: SetupReport): string {
  const about = undo
    ? `${runtime} is as it was before`
    : `${runtime} pulls ${registries.length === 0 ? 'every registry' : registries.join(', ')} through ${endpoint}`;
  return [
    ...(dryRun ? changes.map(({ diff }) => diff.trimEnd()) : changes.map(({ path, action }) => `${DONE[action].padEnd(8)} ${path}`)),
    ...(dryRun
      ? [changes.length === 0 ? 'nothing would change' : `${changes.length} ${changes.length === 1 ? 'file' : 'files'} would change`]
      : [changes.length === 0 ? `nothing changed: ${about} already` : about]),
    ...(reload === null ? [] : reloadLine(runtime, reload)),
    ...notes,
  ].join('\n');
}

function reloadLine(runtime: string, outcome: ReloadOutcome): string[] {
  switch (outcome.state) {
    case 'not-needed':
      return [];
    case 'done':
      return [`${runtime} (process ${outcome.pid}) was told to read its configuration again`];
    case 'not-running':
      return [`${runtime} does not run here: it reads this when it starts`];
    case 'needed':
      return [`to do: ${outcome.command} (${outcome.reason})`];
    default:
      return outcome satisfies never;
  }
}
