import { isDeepStrictEqual } from 'node:util';
import { LayerswarmError } from '../errors.ts';
import { authorOf, type Backup, type BackupFile, BackupFileStore, owner, sha256 } from './backup.ts';
import {
  type FileState,
  makeFolder,
  missingFolders,
  readState,
  removeEmptyFolder,
  sameContent,
  sameState,
  writeState,
} from './file-state.ts';
import { locate, OriginalFiles } from './host-files.ts';
import type { Runtime, SetupTarget } from './runtime.ts';
import { unifiedDiff } from './unified-diff.ts';

export interface SetupPlace {
  /** Prefix of all paths: `/`, or the root of an image. */
  readonly root: string;
  /** The host's folder of configuration: `/etc`. */
  readonly configFolder: string;
  /** Where backups are kept, root included. */
  readonly backups: string;
}

export interface SetupOptions {
  readonly dryRun: boolean;
  /** Overwrite what somebody else changed since. */
  readonly force: boolean;
}

export interface FileChange {
  readonly path: string;
  readonly action: 'create' | 'modify' | 'remove';
  /** In the unified format; with lines that hold secrets where the file does. */
  readonly diff: string;
}

export interface SetupResult {
  readonly changes: readonly FileChange[];
  /** Names of the registries that the runtime then pulls through the agent; none after an undo. */
  readonly registries: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Points a runtime at the agent. What is to be is worked out from the files as they were before any setup, so that a second run
 * with another target replaces the first one's work. The backup is on disk before the first file changes: after a crash each file
 * is the old or the new one, and both `undo` and another setup go on from there.
 * @throws `config-invalid`, `unsupported`, `denied`, `disk-full`
 */
export async function setUp(runtime: Runtime, target: SetupTarget, place: SetupPlace, options: SetupOptions): Promise<SetupResult> {
  const store = new BackupFileStore(place.backups, runtime.name, place.root);
  const backup = await store.read();
  const original = new OriginalFiles(place.root, backup);
  const { files, registries, notes } = await runtime.plan(original, target, place.configFolder);

  const planned = await Promise.all(
    files.map(async ({ path, content }) => {
      const located = await locate(place.root, path);
      const before = await original.state(located);
      return { path: located, before, next: written(before, content) };
    }),
  );
  // what an earlier setup wrote, and this one does not, becomes as it was
  const dropped = (backup?.files ?? [])
    .filter(({ path }) => !planned.some((file) => file.path === path))
    .map(({ path, before }) => ({ path, before, next: before }));

  const steps: Step[] = [];
  for (const { path, before, next } of [...planned, ...dropped]) {
    const now = await readState(path);
    if (sameContent(now, next)) continue;
    const known = backup?.files.find((file) => file.path === path);
    if (known !== undefined && authorOf(known, now) === 'foreign' && !options.force) throw changedSince(path);
    steps.push({ path, now, next, before });
  }
  const changes = steps.map(describe);
  if (options.dryRun) return { changes, registries, notes };

  const kept = planned.flatMap(({ path, before, next }): BackupFile[] => {
    // nothing to do in a file that is not as the backup says: somebody else changed it and left our lines in
    const earlier = backup?.files.filter((file) => file.path === path) ?? [];
    return next.kind === 'file' && !sameContent(before, next) ? [{ path, before, written: [sha256(next.content)] }] : earlier;
  });
  await apply(store, backup, { files: kept, folders: await foldersOf(steps, backup) }, steps);
  return { changes, registries, notes };
}

/**
 * Puts everything back, byte by byte, with its owner and permissions; without a backup there is nothing to do.
 * @throws `denied` when somebody else changed a file since, before anything is touched
 */
export async function undo(runtime: Pick<Runtime, 'name'>, place: SetupPlace, options: SetupOptions): Promise<SetupResult> {
  const store = new BackupFileStore(place.backups, runtime.name, place.root);
  const backup = await store.read();
  if (backup === undefined) return { changes: [], registries: [], notes: [`nothing to undo: there is no backup in ${place.backups}`] };
  const steps: Step[] = [];
  for (const file of backup.files) {
    const { path, before } = file;
    const now = await readState(path);
    if (authorOf(file, now) === 'foreign' && !options.force) throw changedSince(path);
    if (!sameState(now, before)) steps.push({ path, now, next: before, before });
  }
  const changes = steps.map(describe);
  if (options.dryRun) return { changes, registries: [], notes: [] };
  for (const step of steps) await take(step);
  for (const folder of backup.folders.toReversed()) await removeEmptyFolder(folder);
  await store.remove();
  return { changes, registries: [], notes: [] };
}

interface Step {
  readonly path: string;
  readonly now: FileState;
  readonly next: FileState;
  /** Before any setup. */
  readonly before: FileState;
}

async function apply(store: BackupFileStore, before: Backup | undefined, after: Backup, steps: readonly Step[]): Promise<void> {
  if (steps.length > 0) {
    // until all is done, the backup holds whatever either setup may have left in each of their files
    const files = steps.map(({ path, before: first }): BackupFile => {
      const versions = [...(before?.files ?? []), ...after.files].filter((file) => file.path === path);
      return { path, before: first, written: [...new Set(versions.flatMap((file) => file.written))] };
    });
    const others = after.files.filter(({ path }) => !files.some((file) => file.path === path));
    await store.write({ folders: after.folders, files: [...files, ...others] });
    for (const step of steps) await take(step);
  }
  if (after.files.length === 0) await store.remove();
  else if (steps.length > 0 || !isDeepStrictEqual(before, after)) await store.write(after);
}

async function take({ path, next }: Step): Promise<void> {
  if (next.kind === 'file') for (const folder of await missingFolders(path)) await makeFolder(folder);
  await writeState(path, next);
}

async function foldersOf(steps: readonly Step[], backup: Backup | undefined): Promise<string[]> {
  const folders = new Set(backup?.folders);
  for (const { path, next } of steps) if (next.kind === 'file') for (const folder of await missingFolders(path)) folders.add(folder);
  return [...folders].sort();
}

/** Permissions and owner stay; a new file is of whoever runs this, and all may read it, as runtimes' files are. */
function written(before: FileState, content: string): FileState {
  const { mode, uid, gid } = before.kind === 'file' ? before : { mode: 0o644, ...owner() };
  return { kind: 'file', content: Buffer.from(content), mode, uid, gid };
}

function describe({ path, now, next }: Step): FileChange {
  const action = next.kind === 'absent' ? 'remove' : now.kind === 'absent' ? 'create' : 'modify';
  return { path, action, diff: unifiedDiff(path, text(now), text(next)) };
}

function text(state: FileState): string | undefined {
  return state.kind === 'absent' ? undefined : state.content.toString('utf8');
}

function changedSince(path: string): LayerswarmError {
  return new LayerswarmError(
    'denied',
    `${path} was changed by somebody else since setup wrote it: take out by hand what is to go, or say --force to overwrite it`,
    { detail: { path } },
  );
}
