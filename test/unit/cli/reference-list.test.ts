import test from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readReferenceList } from '../../../src/cli/reference-list.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a list has one reference a line, with comments and blank lines, each once', async (t) => {
  const file = join(tempDir(t), 'list');
  writeFileSync(
    file,
    '# base images\nlibrary/debian:12  # bookworm\n\n\tteam/app:v1\r\nlibrary/debian:12\nteam/app@sha256:abc#not-a-comment\n',
  );
  t.deepEqual(await readReferenceList(file), ['library/debian:12', 'team/app:v1', 'team/app@sha256:abc#not-a-comment']);
});

test('a line with two words, or a file that is not there, is wrong use', async (t) => {
  const file = join(tempDir(t), 'list');
  writeFileSync(file, 'a:1\nb:1 c:1\n');
  await t.throwsAsync(readReferenceList(file), { code: 'usage', message: /list:2: expected one reference a line, received "b:1 c:1"/ });
  await t.throwsAsync(readReferenceList(`${file}.no`), { code: 'usage', message: /ENOENT/ });
});
