import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { makeFolders, makeFoldersSync } from '../../src/folders.ts';
import { tempDir } from '../support/temp-dir.ts';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const KINDS: Readonly<Record<string, (path: string, mode?: number) => Promise<void>>> = {
  makeFolders,
  makeFoldersSync: async (...args) => {
    makeFoldersSync(...args);
  },
};

for (const [name, make] of Object.entries(KINDS)) {
  test(`${name} makes what is missing with the mode, and leaves what is there`, async (t) => {
    const path = join(tempDir(t), 'a/b/c');
    await make(path, 0o700);
    for (const folder of [path, join(path, '..'), join(path, '../..')]) t.is(statSync(folder).mode & 0o777, 0o700);
    await make(path, 0o755);
    t.is(statSync(path).mode & 0o777, 0o700);
  });

  test(`${name} takes a link to a folder, and a path that ends in a slash`, async (t) => {
    const folder = tempDir(t);
    mkdirSync(join(folder, 'real'));
    symlinkSync('real', join(folder, 'link'));
    await make(join(folder, 'link'));
    await make(join(folder, 'link/deeper/'));
    t.true(statSync(join(folder, 'real/deeper')).isDirectory());
  });

  test(`${name} fails where a file or a dangling link is in the way`, async (t) => {
    const folder = tempDir(t);
    writeFileSync(join(folder, 'file'), '');
    symlinkSync('nowhere', join(folder, 'dangling'));
    await t.throwsAsync(make(join(folder, 'file')), { code: 'EEXIST' });
    await t.throwsAsync(make(join(folder, 'file/below/it')), { code: 'ENOTDIR' });
    await t.throwsAsync(make(join(folder, 'dangling')), { code: 'EEXIST' });
    await t.throwsAsync(make(join(folder, 'dangling/below')));
  });

  test(`${name} ends where a file system has no new folders`, async (t) => {
    await t.throwsAsync(make('/proc/x/y'), { code: 'ENOENT' });
    await t.throwsAsync(make('/proc/x'), { code: 'ENOENT' });
  });
}

test('nothing makes folders by the way of Node that may never end', (t) => {
  for (const file of readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')))
    t.notRegex(readFileSync(join(SRC, file), 'utf8'), /\bmkdir(Sync)?\([^;]*recursive: true/, file);
});
