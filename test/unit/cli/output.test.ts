import test from 'ava';
import { escapeControls } from '../../../src/cli/output.ts';

test('what is printed moves no cursor, whoever chose its names', (t) => {
  for (const [text, printed] of [
    ['a\tb\n', 'a\tb\n'],
    ['\x1b[2J', '\\u001b[2J'],
    ['a\rb', 'a\\u000db'],
    ['\x9b31m', '\\u009b31m'],
    ['\x7f\0', '\\u007f\\u0000'],
    ['gpj.\u202eexe', 'gpj.\\u202eexe'],
    ['Größe 大 ✓ …', 'Größe 大 ✓ …'],
  ] as const)
    t.is(escapeControls(text), printed);
});
