import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { storeError } from '../../store/store-error.ts';
import type { StoreLimit } from '../config/config.ts';

/** The limit in bytes; a share is of the file system that holds the folder, which need not be there yet. */
export async function storeLimitBytes(folder: string, limit: StoreLimit): Promise<number> {
  if ('bytes' in limit) return limit.bytes;
  const { blocks, bsize } = await nearest(folder);
  return Math.floor((blocks * bsize * limit.percent) / 100);
}

async function nearest(folder: string): Promise<{ blocks: number; bsize: number }> {
  try {
    return await statfs(folder);
  } catch (error) {
    const parent = dirname(folder);
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' || parent === folder) throw storeError(error, `look at the disk of ${folder}`);
    return nearest(parent);
  }
}
