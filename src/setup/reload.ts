import { readFile } from 'node:fs/promises';
import type { ReloadRule } from './runtime.ts';
import { hasCode } from './file-state.ts';

export type ReloadOutcome =
  | { readonly state: 'not-needed' }
  /** It reads its files anew. */
  | { readonly state: 'done'; readonly pid: number }
  /** It does not run, or is not of this system: it reads the files when it starts. */
  | { readonly state: 'not-running' }
  /** A person has to: what, and with which command. */
  | { readonly state: 'needed'; readonly command: string; readonly reason: string };

export interface ReloadOptions {
  /** Absolute paths that changed. */
  readonly changed: readonly string[];
  readonly pidFile?: string | undefined;
  /** False for the root of an image, whose programs do not run. */
  readonly live: boolean;
}

/** Lets a running one take up its changed files, where that stops nothing. Never throws. */
export async function reload(rule: ReloadRule, { changed, pidFile, live }: ReloadOptions): Promise<ReloadOutcome> {
  if (changed.length === 0 || rule.kind === 'none') return { state: 'not-needed' };
  if (rule.kind === 'restart') {
    if (!changed.some((path) => rule.when(path))) return { state: 'not-needed' };
    return live ? { state: 'needed', command: rule.command, reason: rule.reason } : { state: 'not-running' };
  }
  if (!live) return { state: 'not-running' };
  try {
    const pid = await runningProcess(pidFile ?? rule.pidFile, rule.process);
    if (pid === undefined) return { state: 'not-running' };
    process.kill(pid, 'SIGHUP');
    return { state: 'done', pid };
  } catch (error) {
    return {
      state: 'needed',
      command: rule.command,
      reason: hasCode(error, 'EPERM', 'EACCES') ? `this user may not signal ${rule.process}` : `${rule.process} could not be signalled`,
    };
  }
}

/** The process of a pid file, if it is still the one that it was written for. */
async function runningProcess(pidFile: string, name: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(pidFile, 'utf8')).trim());
    if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
    const running = (await readFile(`/proc/${pid}/comm`, 'utf8')).trim();
    return running === name ? pid : undefined;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
