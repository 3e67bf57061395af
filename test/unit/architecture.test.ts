import { existsSync, globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import test from 'ava';

const ROOT = resolve(import.meta.dirname, '../..');

for (const page of ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md']) {
  test(`the files that ${page} names exist`, (t) => {
    const text = readFileSync(resolve(ROOT, page), 'utf8');
    const paths = [...text.matchAll(/`((?:src|test|config|docs)\/[\w./-]+)`/g)].map(([, path]) => path!);
    t.true(paths.length > 0, 'paths are found');
    for (const path of paths) t.true(existsSync(resolve(ROOT, path)), path);
    // Names without a folder are beside those with one.
    for (const [, name] of text.matchAll(/`([\w-]+\.ts)`/g)) t.true(globSync(`{src,test}/**/${name!}`, { cwd: ROOT }).length > 0, name);
  });
}
