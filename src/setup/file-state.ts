import { chmod, chown, lstat, open, readFile, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { LayerswarmError } from '../errors.ts';
import { makeFolders } from '../folders.ts';

/** A configuration file beyond this is not one. */
const MAX_FILE_BYTES = 4 << 20;

/** A file as it can be put back: its exact bytes, its permission bits, its owner. */
export type FileState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'file'; readonly content: Buffer; readonly mode: number; readonly uid: number; readonly gid: number };

export const ABSENT: FileState = { kind: 'absent' };

/** @throws `config-invalid` for what is no plain file or too large, `denied` where this user may not read it */
export async function readState(path: string): Promise<FileState> {
  try {
    const { mode, uid, gid, size } = await stat(path);
    if ((mode & 0o170000) !== 0o100000) throw new LayerswarmError('config-invalid', `${path}: expected a file, received something else`);
    if (size > MAX_FILE_BYTES)
      throw new LayerswarmError('config-invalid', `${path}: expected a configuration of at most ${MAX_FILE_BYTES} bytes, received ${size}`);
    return { kind: 'file', content: await readFile(path), mode: mode & 0o7777, uid, gid };
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return ABSENT;
    throw readable(error, 'read', path);
  }
}

export function sameContent(a: FileState, b: FileState): boolean {
  return a.kind === 'file' && b.kind === 'file' ? a.content.equals(b.content) : a.kind === b.kind;
}

export function sameState(a: FileState, b: FileState): boolean {
  if (a.kind === 'absent' || b.kind === 'absent') return a.kind === b.kind;
  return a.content.equals(b.content) && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

/**
 * Makes the file be as `state` says: whoever reads it sees the old content or the new one, also after a crash.
 * @throws `denied`, `disk-full`
 */
export async function writeState(path: string, state: FileState): Promise<void> {
  const temporary = temporaryOf(path);
  try {
    if (state.kind === 'absent') {
      await rm(path, { force: true });
    } else {
      // 0600 until it has its owner: a configuration may hold credentials
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(state.content);
        const now = await file.stat();
        if (now.uid !== state.uid || now.gid !== state.gid) await chown(temporary, state.uid, state.gid);
        await chmod(temporary, state.mode);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    }
    await syncFolder(dirname(path));
  } catch (error) {
    throw readable(error, 'write', path);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Where a write that was cut short may have left something: no runtime reads it, since its name ends in none of their endings. */
function temporaryOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.layerswarm-new`);
}

/** The folders that have to be made for this file, outermost first. */
export async function missingFolders(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    if (await exists(folder)) break;
    missing.unshift(folder);
  }
  return missing;
}

/** @throws `denied`, `disk-full` */
export async function makeFolder(path: string, mode = 0o755): Promise<void> {
  try {
    await makeFolders(path, mode);
    await syncFolder(dirname(path));
  } catch (error) {
    throw readable(error, 'make', path);
  }
}

/** Leaves it where somebody put something. */
export async function removeEmptyFolder(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw readable(error, 'remove', path);
  }
}

/** The file that a path means, so that links stay links. @throws `config-invalid` for a link that leads out of `root` */
export async function resolveLinks(path: string, root: string): Promise<string> {
  if (!isAbsolute(path)) throw new LayerswarmError('internal', `${path} is not absolute`);
  try {
    const real = await realpath(path);
    if (root === '/' || real.startsWith(`${await realpath(root)}/`)) return real;
    throw new LayerswarmError('config-invalid', `${path} is a link that leads out of ${root}, to ${real}: change the file there by hand`);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw readable(error, 'read', path);
    if (await isLink(path))
      throw new LayerswarmError('config-invalid', `${path} is a link to a file that is not there: mend the link first`);
    return path;
  }
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch {
    return false; // there is nothing at all
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw readable(error, 'read', path);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function readable(error: unknown, doing: string, path: string): unknown {
  if (hasCode(error, 'EACCES', 'EPERM'))
    return new LayerswarmError('denied', `may not ${doing} ${path}: run this as root`, { cause: error });
  if (hasCode(error, 'EROFS'))
    return new LayerswarmError('denied', `cannot ${doing} ${path}: its file system is read-only`, { cause: error });
  return error;
}
