import test from 'ava';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const text = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');
const promised = text
  .slice(text.indexOf('## Promised'), text.indexOf('## Not promised'))
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| promise'));

/** Names of test files in a text, below `test/`: one without a folder is in that of the one before. */
function testsIn(cell: string): string[] {
  let folder = '';
  return [...cell.matchAll(/`([\w./-]+\.test\.ts)`/g)].map(([, name]) => {
    if (name!.includes('/')) folder = dirname(name!);
    return name!.includes('/') ? name! : join(folder, name!);
  });
}

test('each promise names a test that shows it, and that test is there', (t) => {
  t.true(promised.length > 10);
  for (const line of promised) {
    const [, promise, shown] = line.split('|').map((cell) => cell.trim());
    const tests = testsIn(shown!);
    t.true(tests.length > 0, promise);
    for (const name of tests) {
      const path = join(ROOT, 'test', name);
      t.true(existsSync(path), `${name}, for: ${promise!}`);
      t.regex(existsSync(path) ? readFileSync(path, 'utf8') : '', /\btest(?:\.\w+)*\(/, name);
    }
  }
});

test('every test that is named anywhere in it is there', (t) => {
  for (const name of testsIn(text)) t.true(existsSync(join(ROOT, 'test', name)), name);
});
