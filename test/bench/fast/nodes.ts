import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { MAIN } from '../../support/cli.ts';

/** Where nodes keep what they fetch: in memory. The folder of temporary files may be on a disk. */
export const STORES = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** The program of a checkout; `.` is this one, wherever it is called from. */
export function mainOf(checkout: string): string {
  return checkout === '.' ? MAIN : join(resolve(checkout), 'src/cli/main.ts');
}
