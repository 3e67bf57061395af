import { LayerswarmError } from '../errors.ts';

/** Turns what the file system or SQLite threw into the one error type; `what` completes "cannot …". */
export function storeError(error: unknown, what: string): LayerswarmError {
  if (error instanceof LayerswarmError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const code = systemCode(error);
  const options = { cause: error };
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new LayerswarmError('disk-full', `cannot ${what}: the disk is full; free space, or lower the store's size limit`, options);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    // everything once the data folder was removed
    case 'ENOENT':
      return new LayerswarmError(
        'store-unwritable',
        `cannot ${what}: ${reason}; check the owner and mode of the data folder, and how its disk is mounted`,
        options,
      );
    case 'EIO':
      return new LayerswarmError('store-unwritable', `cannot ${what}: ${reason}; the disk reports errors, check it`, options);
    case 'EMFILE':
    case 'ENFILE':
      return new LayerswarmError('unavailable', `cannot ${what}: too many open files; raise the limit (LimitNOFILE)`, options);
    case 'ABORT_ERR':
      return new LayerswarmError('aborted', `cannot ${what}: it was aborted`, options);
    case undefined:
    default:
      return new LayerswarmError('internal', `cannot ${what}: ${reason}`, options);
  }
}

/** SQLite's result codes, as far as they mean the same as an errno. https://sqlite.org/rescode.html */
const SQLITE_ERRNO: Record<number, string> = { 8: 'EROFS', 10: 'EIO', 13: 'ENOSPC', 14: 'EACCES', 23: 'EACCES' };

function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.name === 'AbortError') return 'ABORT_ERR';
  const { code, errcode } = error as NodeJS.ErrnoException & { errcode?: number };
  return code === 'ERR_SQLITE_ERROR' && errcode !== undefined ? SQLITE_ERRNO[errcode & 0xff] : code;
}

/** Whether the store cannot take bytes, whatever they are: the disk is full, read-only or failing. */
export function isStoreRefusal(error: unknown): error is LayerswarmError {
  return error instanceof LayerswarmError && (error.code === 'disk-full' || error.code === 'store-unwritable');
}

/**
 * Runs what is kept for the next time only, which a store that takes nothing does without.
 * @returns the refusal, where there was one. @throws anything else
 */
export async function keepIfTaken(keep: () => Promise<void> | void): Promise<LayerswarmError | undefined> {
  try {
    await keep();
    return undefined;
  } catch (error) {
    const known = storeError(error, 'keep what the registry said');
    if (isStoreRefusal(known)) return known;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT';
}
