import { closeSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ByteSource } from '../header/byte-source.ts';
import { hasProgram } from '../program/find-programs.ts';
import { runProgram, type Surroundings } from '../program/run-program.ts';
import { blkidName, type ForeignVolume } from './foreign-volumes.ts';

/** Nearly every signature that libblkid knows lies in these. */
const FIRST_BYTES = 4 * 1024 * 1024;
const LAST_BYTES = 1024 * 1024;
/** A larger sparse file is more than some file systems hold. */
const MAX_BYTES = 8 * 1024 ** 4;
/** Nobody. */
const UNPRIVILEGED = 65_534;
/** Found; nothing found; more than one found. */
const OK_CODES = [0, 2, 8];

/**
 * What util-linux calls a volume that is in no table here, where blkid is on the host: it is shown a copy of the volume's ends, without
 * privileges, and no device. Undefined where it does not know either.
 */
export async function askBlkid(
  where: Surroundings,
  volume: ByteSource,
  signal: AbortSignal | undefined,
): Promise<ForeignVolume | undefined> {
  if (!hasProgram('blkid') || volume.size > MAX_BYTES || volume.size === 0) return undefined;
  const path = join(where.scratch, 'probe');
  const write = openSync(path, 'wx', 0o644);
  try {
    const first = Math.min(volume.size, FIRST_BYTES);
    writeSync(write, volume.read(0, first), 0, first, 0);
    const last = Math.min(volume.size - first, LAST_BYTES);
    writeSync(write, volume.read(volume.size - last, last), 0, last, volume.size - last);
    truncateSync(path, volume.size);
    // Opened for it: the scratch folder is closed to everyone else.
    const stdin = openSync(path, 'r');
    try {
      const drop =
        process.getuid?.() === 0
          ? ['--reuid', String(UNPRIVILEGED), '--regid', String(UNPRIVILEGED), '--clear-groups', '--no-new-privs']
          : ['--no-new-privs'];
      const output = await runProgram(where, 'setpriv', [...drop, '--', 'blkid', '-p', '-o', 'export', '/proc/self/fd/0'], {
        signal,
        stdin,
        okCodes: OK_CODES,
      });
      const values = new Map(
        output
          .toString('latin1')
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
      );
      const table = values.get('PTTYPE');
      const type = values.get('TYPE');
      return type !== undefined
        ? blkidName(type)
        : table === undefined
          ? undefined
          : { what: `a partition table of type ${table.replaceAll(/\W/g, '')}`, remedy: 'none' };
    } finally {
      closeSync(stdin);
    }
  } finally {
    closeSync(write);
    rmSync(path, { force: true });
  }
}
