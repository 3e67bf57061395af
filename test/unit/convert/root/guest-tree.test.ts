import test from 'ava';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GuestTree } from '../../../../src/convert/root/guest-tree.ts';
import { systemName } from '../../../../src/convert/root/os-release.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('paths resolve inside the root, whatever links say', (t) => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'secret'), 'of the host');
  const root = join(dir, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  mkdirSync(join(root, 'usr/lib'), { recursive: true });
  writeFileSync(join(root, 'usr/lib/os-release'), 'NAME=guest');
  for (const [path, target] of [
    ['etc/os-release', '../usr/lib/os-release'],
    ['absolute', '/usr/lib/os-release'],
    ['escape', '../../secret'],
    ['host', '/etc/hostname'],
    ['deep', '../../../../../../../../secret'],
    ['folder', '../..'],
    ['lib', 'usr/lib'],
    ['circle', 'circle'],
    ['a', 'b'],
    ['b', 'a'],
    ['dangling', 'etc/none'],
    ['through', 'folder/usr/lib'],
  ] as const)
    symlinkSync(target, join(root, path));
  const tree = new GuestTree(root);
  for (const [path, expected] of [
    ['/etc/os-release', '/usr/lib/os-release'],
    ['/absolute', '/usr/lib/os-release'],
    ['/lib/os-release', '/usr/lib/os-release'],
    ['/escape', '/secret'],
    ['/deep', '/secret'],
    ['/host', '/etc/hostname'],
    ['/folder', '/'],
    ['/through', '/usr/lib'],
    ['/../../secret', '/secret'],
    ['/dangling', '/etc/none'],
    ['/circle', undefined],
    ['/a', undefined],
    ['/usr/lib/os-release/x', undefined],
    ['/none/x', undefined],
  ] as const)
    t.is(tree.resolve(path)?.path, expected, path);
  t.is(tree.readText('/absolute'), 'NAME=guest');
  for (const path of ['/escape', '/deep', '/host', '/folder/secret', '/../secret', '/usr', '/dangling'])
    t.is(tree.readText(path), undefined, path);
});

test('a file system that belongs below the root is looked into from its place on', (t) => {
  const dir = tempDir(t);
  mkdirSync(join(dir, 'root/usr/hidden'), { recursive: true });
  mkdirSync(join(dir, 'usr/lib'), { recursive: true });
  symlinkSync('/usr/lib', join(dir, 'root/lib'));
  symlinkSync('../../escape', join(dir, 'usr/up'));
  writeFileSync(join(dir, 'usr/lib/os-release'), 'NAME=usr');
  const tree = new GuestTree(join(dir, 'root'));
  tree.add('/usr', join(dir, 'usr'));
  t.is(tree.readText('/lib/os-release'), 'NAME=usr');
  t.false(tree.isDirectory('/usr/hidden'));
  t.is(tree.resolve('/usr/up')?.path, '/escape');
  t.is(tree.resolve('/usr/lib/..')?.path, '/usr');
});

test('of a file of any length no more than a beginning is read', (t) => {
  const root = tempDir(t);
  writeFileSync(join(root, 'os-release'), 'PRETTY_NAME=Huge\n');
  truncateSync(join(root, 'os-release'), 16_000_000_000);
  const text = new GuestTree(root).readText('/os-release');
  t.is(text?.length, 1024 * 1024);
  t.is(systemName(text), 'Huge');
});
