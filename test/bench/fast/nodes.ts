import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** Where nodes keep what they fetch: in memory. The folder of temporary files may be on a disk. */
export const STORES = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
