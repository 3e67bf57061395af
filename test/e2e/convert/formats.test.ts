import test from 'ava';
import { copyFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LayerswarmError } from '../../../src/errors.ts';
import { convertToTar, listTar, readFromTar, refused, requireConversion, sha256, virtualDiskDigest } from '../../support/conversion.ts';
import { copyOf, makeDisk, makeFileSystem, sparseFile, toFormat } from '../../support/disk-image.ts';
import { makeGuestTree } from '../../support/guest-tree.ts';
import { runOk } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import type { Cleanup } from '../../support/cleanup.ts';

const CANARY = 'a secret of this host';

async function tinyDisk(cleanup: Cleanup): Promise<string> {
  const image = await makeFileSystem(cleanup, makeGuestTree(cleanup, { files: { 'etc/motd': 'hello' } }));
  return await makeDisk(cleanup, [{ image, sizeMiB: 8 }]);
}

test('every format of one disk gives one layer', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await tinyDisk(t);
  const expected = await convertToTar(t, disk);
  t.is(expected.root, 'p1');
  t.is(await readFromTar(expected.file, './etc/motd'), 'hello');
  const formats: [string, string[], string?][] = [
    ['qcow2', []],
    ['qcow2', ['-c']],
    ['qcow2', ['-o', 'compat=0.10']],
    ['qcow2', ['-c', '-o', 'compression_type=zstd,extended_l2=on,cluster_size=128k']],
    ['vmdk', []],
    ['vmdk', ['-o', 'subformat=streamOptimized']],
    ['vdi', []],
    ['vpc', [], 'disk.vhd'],
    ['vpc', ['-o', 'subformat=fixed'], 'disk.vhd'],
    ['vhdx', []],
  ];
  for (const [format, options, name] of formats) {
    const image = await toFormat(t, disk, format, options, name);
    const { diffId, backend } = await convertToTar(t, image);
    t.is(diffId, expected.diffId, `${format} ${options.join(' ')}`);
    t.is(backend, options[0] === '-c' || options[1] === 'subformat=streamOptimized' ? 'raw' : 'fuse');
  }
});

test('a backing file, a data file, extents and parents of this host are never read', async (t) => {
  if (!requireConversion(t)) return;
  const dir = tempDir(t, 'host');
  // A secret that would be a readable disk, if it were followed.
  const secret = join(dir, 'secret.raw');
  copyFileSync(await makeFileSystem(t, makeGuestTree(t, { name: CANARY })), secret);
  const size = statSync(secret).size;
  await runOk('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', join(dir, 'backing.qcow2')]);
  await refused(t, join(dir, 'backing.qcow2'), 'denied', /backing file/);
  await runOk('qemu-img', [
    'create',
    '-q',
    '-f',
    'qcow2',
    '-o',
    `data_file=${join(dir, 'data.raw')},data_file_raw=on`,
    join(dir, 'data.qcow2'),
    String(size),
  ]);
  copyFileSync(secret, join(dir, 'data.raw'));
  await refused(t, join(dir, 'data.qcow2'), 'denied', /external data file/);
  writeFileSync(
    join(dir, 'flat.vmdk'),
    `# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW ${size / 512} FLAT "${secret}" 0\n`,
  );
  await refused(t, join(dir, 'flat.vmdk'), 'denied', /extent files/);
  await runOk('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', secret, join(dir, 'parent.vmdk')]);
  await runOk('qemu-img', ['create', '-q', '-f', 'vmdk', '-b', join(dir, 'parent.vmdk'), '-F', 'vmdk', join(dir, 'child.vmdk')]);
  await refused(t, join(dir, 'child.vmdk'), 'denied', /parent/);
  for (const format of ['raw', 'qcow2', 'vdi'] as const) await refused(t, join(dir, 'flat.vmdk'), 'unsupported', /./, { format });
});

test('a chain is read when the user names every file of it, whatever the image itself says', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await tinyDisk(t);
  const base = await toFormat(t, disk, 'qcow2');
  const dir = tempDir(t, 'chain');
  await runOk('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', join(dir, 'middle.qcow2')]);
  await runOk('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', join(dir, 'middle.qcow2'), '-F', 'qcow2', join(dir, 'top.qcow2')]);
  // What the top names is something else by now.
  await runOk('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-b', '/etc/hostname', '-F', 'raw', join(dir, 'top.qcow2')]);
  const { diffId } = await convertToTar(t, join(dir, 'top.qcow2'), { backing: [join(dir, 'middle.qcow2'), base] });
  t.is(diffId, (await convertToTar(t, disk)).diffId);
  await refused(t, join(dir, 'top.qcow2'), 'denied', /backing file/, { backing: [join(dir, 'middle.qcow2')] });
});

test('a raw disk that begins like a qcow2 is read as raw when that is said, and never guessed', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await tinyDisk(t);
  const expected = await convertToTar(t, disk);
  const header = sparseFile(join(tempDir(t, 'hdr'), 'h.qcow2'), 0);
  await runOk('qemu-img', ['create', '-q', '-f', 'qcow2', '-u', '-b', '/etc/shadow', '-F', 'raw', header, '1G']);
  // All of the header but its tables, before the boot sector's partition table.
  await runOk('dd', [`if=${header}`, `of=${disk}`, 'bs=104', 'count=1', 'conv=notrunc', 'status=none']);
  const error = await t.throwsAsync(convertToTar(t, disk), { instanceOf: LayerswarmError });
  t.true(
    error !== undefined && /qcow2/.test(error.message) && ['denied', 'unsupported', 'size-mismatch', 'usage'].includes(error.code),
    error?.message,
  );
  t.is((await convertToTar(t, disk, { format: 'raw' })).diffId, expected.diffId);
});

test('file names that qemu would interpret are only names', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await toFormat(t, await tinyDisk(t), 'qcow2');
  const { diffId } = await convertToTar(t, disk);
  const bytes = await virtualDiskDigest(t, disk);
  for (const name of ['json:{"driver":"file"}', 'nbd:localhost:10809', 'a:b,c=d.qcow2', 'with space\nand newline', '-rf']) {
    const copy = copyOf(t, disk, name);
    t.is((await convertToTar(t, copy)).diffId, diffId, name);
    t.is(await virtualDiskDigest(t, copy), bytes, name);
  }
  const link = join(tempDir(t, 'lnk'), 'link');
  symlinkSync(disk, link);
  t.is((await convertToTar(t, link)).diffId, diffId);
});

test('a file that was cut short is an error and not an image with holes', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await tinyDisk(t);
  for (const [format, code] of [
    ['qcow2', 'size-mismatch'],
    ['vmdk', 'size-mismatch'],
    ['vdi', 'size-mismatch'],
    ['vpc', 'unsupported'],
    ['vhdx', 'size-mismatch'],
    ['raw', 'size-mismatch'],
  ] as const) {
    const image = await toFormat(t, disk, format);
    truncateSync(image, Math.floor((statSync(image).size * 2) / 3 / 512) * 512);
    await refused(t, image, code, /cut short|footer/);
  }
});

test('the source is not written, not even its time', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await toFormat(t, await tinyDisk(t), 'qcow2');
  const before = [await sha256(disk), statSync(disk).mtimeMs];
  const { file } = await convertToTar(t, disk);
  t.deepEqual([await sha256(disk), statSync(disk).mtimeMs], before);
  t.true((await listTar(file)).includes('./etc/motd'));
});

test('a virtual disk of 64 TiB is refused, and read where that is meant', async (t) => {
  if (!requireConversion(t)) return;
  const image = await toFormat(t, await makeFileSystem(t, makeGuestTree(t)), 'qcow2');
  await runOk('qemu-img', ['resize', '-q', image, '64T']);
  await refused(t, image, 'too-large', /--max-disk-size/);
  t.is((await convertToTar(t, image, { maxDiskSize: 2 ** 50 })).root, 'disk');
});
