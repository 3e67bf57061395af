import test from 'ava';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { packageFiles } from '../../../../src/convert/pack/package-files.ts';
import { GuestTree } from '../../../../src/convert/root/guest-tree.ts';
import { makeGuestTree } from '../../../support/guest-tree.ts';

const INFO = 'var/lib/dpkg/info';

test('files below /usr belong to the one package that lists them, through the links of a merged /usr', (t) => {
  const root = makeGuestTree(t, {
    files: {
      [`${INFO}/one:amd64.list`]:
        '/.\n/lib\n/lib/x86\n/lib/x86/libone.so\n/usr\n/usr/bin\n/usr/bin/one\n/usr/bin/both\n/etc\n/etc/one.conf\n/host/secret\n/none/x\n',
      [`${INFO}/two.list`]: '/usr/bin/both\n/usr/share/two\xff\n',
      [`${INFO}/one.md5sums`]: 'x  usr/bin/one\n',
    },
  });
  mkdirSync(join(root, 'usr/lib/x86'), { recursive: true });
  mkdirSync(join(root, 'usr/bin'));
  mkdirSync(join(root, 'usr/share'));
  symlinkSync('usr/lib', join(root, 'lib'));
  symlinkSync('../../../../usr', join(root, 'host'));
  t.deepEqual(
    [...(packageFiles(new GuestTree(root)) ?? [])],
    [
      ['/usr/lib/x86/libone.so', 'one:amd64'],
      ['/usr/bin/one', 'one:amd64'],
      ['/usr/secret', 'one:amd64'],
      ['/usr/share/two\xc3\xbf', 'two'],
    ],
  );
});

test('a system without dpkg has no packages to tell apart', (t) => {
  t.is(packageFiles(new GuestTree(makeGuestTree(t))), undefined);
});
