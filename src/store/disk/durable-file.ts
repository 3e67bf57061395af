import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMissing } from '../store-error.ts';

/** Makes renames, creations and removals in a folder survive a power loss. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Replaces a small file as a whole: whoever reads it sees the old content or the new one, also after a crash. */
export async function replaceFile(path: string, content: string, tempFolder: string): Promise<void> {
  const temp = join(tempFolder, `${basename(path)}.${randomUUID()}`);
  try {
    await writeFile(temp, content, { mode: 0o600, flush: true, flag: 'wx' });
    await rename(temp, path);
    await syncFolder(dirname(path));
  } finally {
    await rm(temp, { force: true }).catch(() => undefined);
  }
}

/** `replaceFile`, unless it has that content already. */
export async function keepFile(path: string, content: string, tempFolder: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) !== content) await replaceFile(path, content, tempFolder);
}

/** True when it was there. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await rm(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
