import test from 'ava';
import { globToRegExp } from '../../src/glob.ts';

const CASES: readonly [pattern: string, text: string, matches: boolean][] = [
  ['team/*', 'team/app/web', true],
  ['team/*', 'other/team/app', false],
  ['*', '', true],
  ['*-rc*', 'v1.0-rc.1', true],
  ['a.b', 'axb', false],
  ['a+(b)', 'a+(b)', true],
  ['conf-*.toml', 'conf-\n.toml', true],
  ['latest', 'latest-1', false],
  ['1**2', '1-2', true],
];

for (const [pattern, text, matches] of CASES) {
  test(`${pattern} ${matches ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, (t) => {
    t.is(globToRegExp(pattern).test(text), matches);
  });
}

test('many "*" in a row cost no more than one', (t) => {
  t.false(globToRegExp(`${'*'.repeat(1000)}x`).test('y'.repeat(100_000)));
});
