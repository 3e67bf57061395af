import test from 'ava';
import { PackageSplit, type PackageLayer } from '../../../../src/convert/pack/split-packages.ts';
import type { ScannedFile } from '../../../../src/convert/pack/scan.ts';

const MIB = 1024 * 1024;

function file(path: string, more: Partial<ScannedFile> = {}): ScannedFile {
  return { type: 'f', path, inode: path, bytes: 100, links: 1, ...more };
}

function split(owners: Readonly<Record<string, string>>, files: readonly ScannedFile[]): PackageLayer[] {
  const split = new PackageSplit(new Map(Object.entries(owners)));
  for (const entry of files) split.add(0, '/', entry);
  return split.layers();
}

test("a large package has a layer of its own, small ones share one, and what is nobody's stays out", (t) => {
  const layers = split(
    { '/usr/b': 'large', '/usr/a': 'large', '/usr/link': 'large', '/usr/folder': 'large', '/usr/s': 'small', '/usr/device': 'large' },
    [
      file('./usr/b', { bytes: MIB }),
      file('./usr/a'),
      file('./usr/link', { type: 'l' }),
      file('./usr/folder', { type: 'd' }),
      file('./usr/device', { type: 'c' }),
      file('./usr/s'),
      file('./etc/x'),
    ],
  );
  t.deepEqual(layers[0], { name: 'large', files: [['./usr/a', './usr/b', './usr/link']] });
  t.is(layers.length, 2);
  t.regex(layers[1]!.name, /^small packages \d+$/);
  t.deepEqual(layers[1]!.files, [['./usr/s']]);
});

test('a set of hard links is in one layer, whole, or in none', (t) => {
  const links = { links: 2 };
  const layers = split({ '/usr/a1': 'a', '/usr/a2': 'a', '/usr/b1': 'b', '/usr/b2': 'c', '/usr/d': 'd' }, [
    file('./usr/a1', { ...links, inode: '1', bytes: MIB }),
    file('./usr/a2', { ...links, inode: '1' }),
    file('./usr/b1', { ...links, inode: '2' }),
    file('./usr/b2', { ...links, inode: '2' }),
    file('./usr/d', { ...links, inode: '3' }),
    file('./etc/d', { ...links, inode: '3' }),
  ]);
  t.deepEqual(layers, [{ name: 'a', files: [['./usr/a1', './usr/a2']] }]);
});

test('a thousand packages make no more layers than a container takes', (t) => {
  const names = Array.from({ length: 1000 }, (_, i) => `package${i}`);
  const layers = split(
    Object.fromEntries(names.map((name) => [`/usr/${name}`, name])),
    names.map((name, i) => file(`./usr/${name}`, { bytes: i * 10_000 })),
  );
  t.is(layers.length, 116);
  t.true(layers.some(({ name }) => name === 'package999'));
  t.is(layers.flatMap(({ files }) => files[0]!).length, 1000);
});

test('a package is in the same layer whatever else is installed, and in a /usr of its own too', (t) => {
  const owners = new Map([['/usr/s', 'small']]);
  const [one, two] = [new PackageSplit(owners), new PackageSplit(owners)];
  one.add(0, '/', file('./usr/s'));
  two.add(1, '/usr', file('./s'));
  t.deepEqual(two.layers(), [{ name: one.layers()[0]!.name, files: [[], ['./s']] }]);
});
