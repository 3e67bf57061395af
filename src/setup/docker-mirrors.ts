import { setTimeout as delay } from 'node:timers/promises';
import { type FileState, makeFolder, missingFolders, readState, removeEmptyFolder, writeState } from './file-state.ts';
import { owner } from './backup.ts';

const POLL_MS = 50;
const TIMEOUT_MS = 10_000;

export interface RunningEngine {
  /** The mirrors that it asks now. */
  readonly mirrors: () => Promise<readonly string[]>;
  /** SIGHUP. */
  readonly reload: () => void;
}

/**
 * Lets a running dockerd forget its mirrors where its daemon.json, as it is again, has none: it leaves alone what the file does not
 * mention (20.10), so that an empty list is shown to it for a moment. The file is then as it was, byte by byte.
 * @returns whether it asks none of `gone` any more
 */
export async function forgetMirrors(path: string, gone: readonly string[], { mirrors, reload }: RunningEngine): Promise<boolean> {
  const asks = async (): Promise<boolean> => (await mirrors()).some((mirror) => gone.includes(mirror.replace(/\/+$/, '')));
  if (!(await asks())) return true;
  const before = await readState(path);
  const empty = withEmptyList(before);
  if (empty === undefined) return false;
  const folders = await missingFolders(path);
  for (const folder of folders) await makeFolder(folder);
  try {
    await writeState(path, empty);
    reload();
    for (const end = performance.now() + TIMEOUT_MS; performance.now() < end;) {
      if (!(await asks())) return true;
      await delay(POLL_MS);
    }
    return false;
  } finally {
    await writeState(path, before);
    for (const folder of folders.toReversed()) await removeEmptyFolder(folder);
  }
}

/** undefined where the file names mirrors itself: then it has been read as it is. */
function withEmptyList(before: FileState): FileState | undefined {
  const settings =
    before.kind === 'absent' || before.content.toString().trim() === ''
      ? {}
      : (JSON.parse(before.content.toString()) as Record<string, unknown>);
  if (settings['registry-mirrors'] !== undefined) return undefined;
  const { mode, uid, gid } = before.kind === 'file' ? before : { mode: 0o644, ...owner() };
  return { kind: 'file', content: Buffer.from(JSON.stringify({ ...settings, 'registry-mirrors': [] })), mode, uid, gid };
}
