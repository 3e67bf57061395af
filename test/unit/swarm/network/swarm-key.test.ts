import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { deriveSwarmKey, makeSwarmKey, readSwarmKey } from '../../../../src/swarm/network/swarm-key.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('makes a key that only its owner can read, and reads it back', async (t) => {
  const file = join(tempDir(t), 'folder', 'swarm.key');
  const made = await makeSwarmKey(file);
  t.is((await stat(file)).mode & 0o777, 0o600);
  t.is((await stat(file)).size, 32);
  t.deepEqual(await readSwarmKey(file), { key: made });
  t.regex(made.id, /^[0-9a-f]{16}$/);
});

test('two keys differ, and what is derived from a key does not hold it', async (t) => {
  const folder = tempDir(t);
  const [a, b] = [await makeSwarmKey(join(folder, 'a')), await makeSwarmKey(join(folder, 'b'))];
  t.not(a.id, b.id);
  t.notDeepEqual(a.prologue, b.prologue);
  t.false((await readFile(join(folder, 'a'), 'hex')).includes(a.id));
});

test('never overwrites a file', async (t) => {
  const file = join(tempDir(t), 'swarm.key');
  await writeFile(file, 'precious');
  await t.throwsAsync(makeSwarmKey(file), { code: 'usage', message: /never overwritten/ });
  t.is(await readFile(file, 'utf8'), 'precious');
});

test('the same key as text is read too', async (t) => {
  const file = join(tempDir(t), 'text');
  const bytes = Buffer.alloc(32, 0x9c);
  await writeFile(file, `layerswarm-swarm-key-1\n${bytes.toString('hex')}\n`, { mode: 0o600 });
  t.deepEqual((await readSwarmKey(file)).key, deriveSwarmKey(bytes));
});

const hex = 'a5'.repeat(32);
for (const [title, content] of [
  ['a passphrase', 'correct horse battery staple\n'],
  ['a passphrase of 32 characters', 'correct horse battery staple 123'],
  ['31 raw bytes', Buffer.alloc(31, 0xff)],
  ['33 raw bytes', Buffer.alloc(33, 0xff)],
  ['an empty file', ''],
  ['a key that is too short', `layerswarm-swarm-key-1\n${hex.slice(2)}\n`],
  ['a key that is too long', `layerswarm-swarm-key-1\n${hex}ff\n`],
  ['a key in another alphabet', `layerswarm-swarm-key-1\n${'zz'.repeat(32)}\n`],
  ['two keys in one file', `layerswarm-swarm-key-1\n${hex}\n${hex}\n`],
  ['the header alone', 'layerswarm-swarm-key-1'],
  ['a key of a later format', `layerswarm-swarm-key-2\n${hex}\n`],
] as const) {
  test(`refuses ${title}, and does not repeat it`, async (t) => {
    const file = join(tempDir(t), 'swarm.key');
    await writeFile(file, content, { mode: 0o600 });
    const error = await t.throwsAsync(readSwarmKey(file), { code: 'key-invalid', message: /layerswarm key FILE/ });
    t.notRegex(error?.message ?? '', /staple|a5a5|zzzz/);
  });
}

test('a missing file says how to make one', async (t) => {
  await t.throwsAsync(readSwarmKey(join(tempDir(t), 'none')), { code: 'key-invalid', message: /ENOENT; make one with/ });
});

test('a key that others can read is used, with a warning', async (t) => {
  const file = join(tempDir(t), 'swarm.key');
  const key = await makeSwarmKey(file);
  await chmod(file, 0o640);
  const read = await readSwarmKey(file);
  t.deepEqual(read.key, key);
  t.regex(read.warning ?? '', /mode 640.*chmod 600/);
});

test('a key file that others may write is refused', async (t) => {
  const file = join(tempDir(t), 'key');
  await makeSwarmKey(file);
  for (const mode of [0o620, 0o602]) {
    await chmod(file, mode);
    await t.throwsAsync(readSwarmKey(file), { code: 'key-invalid', message: /can be written by others .*chmod 600/ });
  }
});
