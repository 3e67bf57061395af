import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';

/** A new folder, removed when the test ends. Its path is short: Unix sockets, whose paths end at 107 bytes, live in it. */
export function tempDir(cleanup: Cleanup, name = 't', parent = tmpdir()): string {
  const dir = mkdtempSync(join(parent, `ls-${name}-`));
  cleanup.teardown(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}
