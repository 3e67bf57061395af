import { createTwoFilesPatch } from 'diff';

/** As `diff -u` would show it; an absent file is /dev/null. */
export function unifiedDiff(path: string, before: string | undefined, after: string | undefined): string {
  const patch = createTwoFilesPatch(
    before === undefined ? '/dev/null' : path,
    after === undefined ? '/dev/null' : path,
    before ?? '',
    after ?? '',
    undefined,
    undefined,
    { context: 3 },
  );
  return patch.replace(/^(?:Index: .*\n)?=+\n/, '');
}
