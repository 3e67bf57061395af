import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';

/** Changes one bit of a file, as a disk does that loses one: `silently` leaves the time of the last write as it was. */
export function flipBit(path: string, offset: number, { silently = false } = {}): void {
  const before = `${path}.before`;
  if (silently) execFileSync('touch', ['-r', path, before]);
  const file = openSync(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, offset);
    byte[0]! ^= 1;
    writeSync(file, byte, 0, 1, offset);
  } finally {
    closeSync(file);
  }
  if (!silently) return;
  execFileSync('touch', ['-r', before, path]);
  rmSync(before);
}
