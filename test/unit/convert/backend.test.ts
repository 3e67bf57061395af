import test from 'ava';
import { chooseBackend, type BackendName } from '../../../src/convert/backend.ts';
import { parseOutput, type ConvertOutput } from '../../../src/convert/output.ts';
import { createdTime } from '../../../src/convert/image/image-config.ts';
import { findTool, requireTool } from '../../support/require-tool.ts';
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
] as const) {
  test(`the backend for ${what} is ${expected}`, (t) => {
    if (!requireTool(t, 'qemu-storage-daemon', 'qemu-img', 'e2fsck', 'losetup', 'setpriv')) return;
    const backend = chooseBackend({ wanted: undefined, trust: false, compressed: false, ...choice }, { root: false, fuse: true, has, ...host });
    t.is(backend.name, expected satisfies BackendName);
  });
}

for (const [what, choice, host, code] of [
  ['loop without root', { wanted: 'loop' as const }, {}, 'usage'],
  ['trust without root', { trust: true }, {}, 'usage'],
  ['no FUSE and no root', {}, { fuse: false }, 'unavailable'],
] as const) {
  test(`${what} is refused`, (t) => {
    const error = t.throws(() => chooseBackend({ wanted: undefined, trust: false, compressed: false, ...choice }, { root: false, fuse: true, has, ...host }), { instanceOf: LayerswarmError });
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

test('programs that are missing are named with the packages that bring them', async (t) => {
  const { requirePrograms } = await import('../../../src/convert/program/find-programs.ts');
  if (findTool('tar') === undefined) return;
  t.notThrows(() => { requirePrograms(['tar']); });
});
