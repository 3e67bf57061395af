import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

/** `test/run.ts` counts a test that logs a line with this beginning as skipped. */
export const SKIP_MARK = 'SKIPPED:';

/** Debian keeps daemons and file system tools where a plain user's PATH does not look. */
export const toolPath = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;

/** What can be asked for beside programs. */
const CONDITIONS: Readonly<Record<string, () => boolean>> = {
  root: () => process.getuid?.() === 0,
  // One that a virtual machine can start; a container has none.
  kernel: () => existsSync('/boot') && readdirSync('/boot').some((name) => name.startsWith('vmlinuz')),
};

/**
 * Whether the test can go on: `if (!requireTool(t, 'skopeo', 'ctr')) return;`. When a program is missing (or `'root'`
 * is asked for and the user is another, or `'kernel'` and none is in /boot) the test ends as skipped and says so; with CI=true it fails.
 */
export function requireTool(t: ExecutionContext, ...tools: string[]): boolean {
  const missing = tools.filter((tool) => !(CONDITIONS[tool]?.() ?? findTool(tool) !== undefined));
  if (missing.length === 0) return true;
  const reason = `needs ${missing.join(', ')} (test/setup.sh installs the programs)`;
  if (process.env['CI'] === 'true') {
    t.fail(reason);
  } else {
    t.log(SKIP_MARK, reason);
    t.pass();
  }
  return false;
}

/** The full path of a program on PATH or in Debian's sbin folders. */
export function findTool(tool: string): string | undefined {
  return toolPath
    .split(':')
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, tool))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
