import { mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that are missing, all with `mode`; fine where it is there. Instead of Node's own, which tries for ever
 * where a file system says of each new folder that there is no such one, as /proc does.
 * @throws the error of `mkdir`
 */
export async function makeFolders(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (isMissing(error) && dirname(path) !== path && !(await isFolder(dirname(path)))) {
      await makeFolders(dirname(path), mode);
      await makeFolders(path, mode);
    } else if (!(await isFolder(path))) throw error;
  }
}

/** The same at once. @returns what was made, the outermost first @throws the error of `mkdir` */
export function makeFoldersSync(path: string, mode = 0o777): readonly string[] {
  const isThere = (folder: string): boolean => statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
  try {
    mkdirSync(path, { mode });
    return [path];
  } catch (error) {
    if (isMissing(error) && dirname(path) !== path && !isThere(dirname(path)))
      return [...makeFoldersSync(dirname(path), mode), ...makeFoldersSync(path, mode)];
    if (!isThere(path)) throw error;
    return [];
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
