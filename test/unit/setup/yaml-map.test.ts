import test from 'ava';
import { readYamlMap } from '../../../src/setup/yaml-map.ts';

for (const [title, text, problem] of [
  ['a list', '- a\n', /^something else$/],
  ['no YAML', 'a: [\n', /^Flow sequence .*[^:]$/],
  ['an alias of nothing', 'a: *none\n', /^Unresolved alias .*: none$/],
  ['aliases that would fill the memory', `a: &a [1]\n${bomb(9)}`, /^Excessive alias count/],
] as const) {
  test(`${title} is told in one line`, (t) => {
    const read = readYamlMap(text);
    t.regex('problem' in read ? read.problem : '', problem);
  });
}

test('a map is written again as it was, with its aliases and comments', (t) => {
  const text = '# ours\na: &x 1\nb: *x\n';
  const read = readYamlMap(text);
  t.is('document' in read ? read.document.toString() : undefined, text);
});

test('an empty text is a map to be filled', (t) => {
  const read = readYamlMap('');
  if ('problem' in read) return t.fail(read.problem);
  read.document.set('a', 1);
  t.is(read.document.toString(), 'a: 1\n');
});

/** Each list has the one before ten times. */
function bomb(levels: number): string {
  return Array.from({ length: levels }, (_, i) => {
    const before = String.fromCharCode(97 + i);
    const name = String.fromCharCode(98 + i);
    return `${name}: &${name} [${Array.from({ length: 10 }, () => `*${before}`).join(', ')}]\n`;
  }).join('');
}
