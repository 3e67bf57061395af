import test from 'ava';
import { chooseBackend, type BackendName } from '../../../src/convert/backend.ts';
import { checkUserNamespace } from '../../../src/convert/open-system.ts';
import { parseOutput, type ConvertOutput } from '../../../src/convert/output.ts';
import { createdTime } from '../../../src/convert/image/image-config.ts';
import { requirePrograms } from '../../../src/convert/program/find-programs.ts';
import { LayerswarmError } from '../../../src/errors.ts';

const has = (): boolean => true;

for (const [what, choice, host, expected] of [
  ['a plain user', {}, {}, 'fuse'],
  ['root that trusts nothing', {}, { root: true }, 'fuse'],
  ['root that trusts the disk', { trust: true }, { root: true }, 'loop'],
  ['a compressed disk', { compressed: true }, {}, 'raw'],
  ['root without fuse2fs', {}, { root: true, has: (program: string) => program !== 'fuse2fs' }, 'loop'],
  ['root without FUSE', {}, { root: true, fuse: false }, 'raw'],
  ['what was asked for', { wanted: 'raw' as const }, {}, 'raw'],
  ['a virtual machine', { wanted: 'guestfs' as const }, { has: (program: string) => program !== 'fuse2fs' }, 'guestfs'],
] as const) {
  test(`the backend for ${what} is ${expected}`, (t) => {
    const backend = chooseBackend(
      { wanted: undefined, trust: false, compressed: false, ...choice },
      { root: false, fuse: true, kernel: true, has, ...host },
    );
    t.is(backend.name, expected satisfies BackendName);
  });
}

for (const [what, choice, host, code] of [
  ['loop without root', { wanted: 'loop' as const }, {}, 'usage'],
  ['trust without root', { trust: true }, {}, 'usage'],
  ['no FUSE and no root', {}, { fuse: false }, 'unavailable'],
  ['a virtual machine without a kernel', { wanted: 'guestfs' as const }, { kernel: false }, 'unavailable'],
  [
    'a virtual machine without libguestfs',
    { wanted: 'guestfs' as const },
    { has: (program: string) => program !== 'guestmount' },
    'unavailable',
  ],
] as const) {
  test(`${what} is refused`, (t) => {
    const error = t.throws(
      () =>
        chooseBackend(
          { wanted: undefined, trust: false, compressed: false, ...choice },
          { root: false, fuse: true, kernel: true, has, ...host },
        ),
      { instanceOf: LayerswarmError },
    );
    t.is(error?.code, code);
  });
}

for (const [text, expected] of [
  ['oci:dir', { kind: 'layout', dir: 'dir' }],
  ['oci:/a/b:1.0', { kind: 'layout', dir: '/a/b', tag: '1.0' }],
  ['oci-archive:a.tar', { kind: 'archive', file: 'a.tar' }],
  ['oci-archive:a.tar:x', { kind: 'archive', file: 'a.tar', tag: 'x' }],
  ['tar:a:b.tar', { kind: 'tar', file: 'a:b.tar' }],
] as const satisfies readonly (readonly [string, ConvertOutput])[]) {
  test(`output ${text} is understood`, (t) => {
    t.deepEqual(parseOutput(text), expected);
  });
}
for (const text of ['', 'oci:', 'docker:x', 'file.tar', ':x']) {
  test(`output ${JSON.stringify(text)} is refused`, (t) => {
    t.is(t.throws(() => parseOutput(text), { instanceOf: LayerswarmError })?.code, 'usage');
  });
}

test('the time of an image is SOURCE_DATE_EPOCH, or none', (t) => {
  t.is(createdTime('1700000000'), '2023-11-14T22:13:20Z');
  for (const bad of [undefined, '', 'yesterday', '-5', '9'.repeat(30)]) t.is(createdTime(bad), '1970-01-01T00:00:00Z');
});

test('programs that are missing are named with the packages that bring them', (t) => {
  t.notThrows(() => {
    requirePrograms(['tar']);
  });
  const error = t.throws(
    () => {
      requirePrograms(['tar', 'qemu-img', 'fuse2fs'], (program) => program === 'tar');
    },
    { instanceOf: LayerswarmError },
  );
  t.is(error?.code, 'unavailable');
  t.is(error?.message, 'missing on this host: qemu-img, fuse2fs; on Debian: apt-get install qemu-utils fuse2fs');
});

test('a user namespace, in which owners are lost, is noticed', (t) => {
  t.notThrows(() => {
    checkUserNamespace('         0          0 4294967295\n');
  });
  for (const map of ['         0       1000          1\n', '0 1000 1\n1 100000 65536\n', ''])
    t.throws(
      () => {
        checkUserNamespace(map);
      },
      { instanceOf: LayerswarmError, message: /user namespace/ },
    );
});
