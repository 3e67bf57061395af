import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TREE_READER, readerTask } from '../reader/reader-task.ts';
import type { Place } from '../root/assemble.ts';
import { runProgram, type Surroundings } from '../program/run-program.ts';
import { ALWAYS_OUT, patternsToRegExp, WHITEOUT_NAME, WHITEOUT_PATTERN } from './strip.ts';

/** Seconds: the last time that a header's own field can say, 2242-03-16. */
export const LATEST_TIME = 0o77777777777;

/**
 * GNU tar packs, since Node cannot read extended attributes or names that are not UTF-8. These options give the same bytes for the
 * same tree whatever mounted it, in any locale and time zone; the kernel's sub-second times, which fuse2fs has not, are left out.
 */
const OPTIONS = [
  '--create',
  '--format=posix',
  '--pax-option=delete=atime,delete=ctime,delete=mtime,exthdr.name=%d/PaxHeaders/%f',
  '--sort=name',
  '--numeric-owner',
  // Without the extended header that was just left out, later times would become 1970.
  '--clamp-mtime',
  `--mtime=@${LATEST_TIME}`,
  '--xattrs',
  '--xattrs-include=user.*',
  '--xattrs-include=security.capability',
  '--xattrs-include=system.posix_acl_*',
  '--one-file-system',
  // Written in pieces of the size of a pipe; the padding that follows from it is taken off behind.
  '--blocking-factor=128',
  '--warning=no-file-ignored',
];

/** `at`: `/`, or a path without links; `folder`: as programs see it. */
export interface PackedTree extends Place {
  /** Patterns with names that begin at `folder`. */
  readonly exclude: readonly string[];
  /** A file with names, each ended by a NUL: these are packed, in this order, and nothing else. */
  readonly only?: string;
  /** A file with names, one a line: these are left out too. */
  readonly without?: string;
}

/** Writes a tree as a tar archive to a file descriptor. Any exit code but 0 is an error: a reader that died mid-way still lists well. */
export async function runTar(
  where: Surroundings,
  { at, folder, volume, made = false, exclude, only, without }: PackedTree,
  stdout: number,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (volume !== undefined) {
    const excluded = patternsToRegExp([...ALWAYS_OUT, ...exclude]);
    const task = readerTask({
      ...volume,
      kind: 'pack',
      at: Buffer.from(at, 'utf8').toString('latin1'),
      excluded: `${excluded.source}|${WHITEOUT_NAME.source}`,
      only,
      without,
    });
    await runProgram(where, TREE_READER, [task], { stdout, signal });
    return;
  }
  const list = join(where.scratch, `${name}.exclude`);
  // latin1: the bytes of a name as they are on the disk.
  writeFileSync(list, [...ALWAYS_OUT, ...exclude].map((pattern) => `${pattern}\n`).join(''), { encoding: 'latin1' });
  const args = [
    ...OPTIONS,
    '--anchored',
    '--wildcards',
    '--wildcards-match-slash',
    `--exclude-from=${list}`,
    ...(without === undefined ? [] : ['--no-wildcards', `--exclude-from=${without}`, '--wildcards']),
    '--no-anchored',
    `--exclude=${WHITEOUT_PATTERN}`,
    // Names and targets of hard links, never of symbolic ones.
    ...(at === '/' ? [] : [`--transform=s,^\\.,.${sedReplacement(at)},S`]),
    ...(made ? ['--owner=0', '--group=0'] : []),
    `--directory=${folder}`,
    ...(only === undefined ? ['.'] : ['--null', '--no-recursion', `--files-from=${only}`]),
  ];
  await runProgram(where, 'tar', args, { stdout, signal });
}

function sedReplacement(path: string): string {
  return path.replaceAll(/[\\&,]/g, '\\$&').replaceAll('\n', '\\n');
}
