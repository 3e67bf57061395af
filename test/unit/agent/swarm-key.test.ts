import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { createSwarmKey, keyId, readSwarmKey } from '../../../src/agent/swarm-key.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('makes 32 bytes that only the owner can read, and reads them back', async (t) => {
  const file = join(tempDir(t), 'swarm.key');
  const made = await createSwarmKey(file);
  t.is((await stat(file)).mode & 0o777, 0o600);
  const { key, exposed } = await readSwarmKey(file);
  t.is(key.length, 32);
  t.false(exposed);
  t.is(keyId(key), made.keyId);
});

test('never overwrites a file', async (t) => {
  const file = join(tempDir(t), 'swarm.key');
  await writeFile(file, 'precious');
  await t.throwsAsync(createSwarmKey(file), { code: 'usage', message: /not overwritten/ });
  t.is(await readFile(file, 'utf8'), 'precious');
});

for (const [title, bytes] of [
  ['a short file', Buffer.alloc(31, 0xff)], ['a long file', Buffer.alloc(33, 0xff)], ['an empty file', Buffer.alloc(0)],
  ['a passphrase, even of the right length', Buffer.from('correct horse battery staple 123')],
] as const) {
  test(`refuses ${title} as a key`, async (t) => {
    const file = join(tempDir(t), 'swarm.key');
    await writeFile(file, bytes, { mode: 0o600 });
    await t.throwsAsync(readSwarmKey(file), { code: 'key-invalid', message: /layerswarm key/ });
  });
}

test('a missing key file says how to make one', async (t) => {
  await t.throwsAsync(readSwarmKey(join(tempDir(t), 'none')), { code: 'key-invalid', message: /ENOENT; make one with/ });
});

test('a key that everybody can read is used, and reported', async (t) => {
  const file = join(tempDir(t), 'swarm.key');
  await createSwarmKey(file);
  await chmod(file, 0o644);
  t.true((await readSwarmKey(file)).exposed);
});
