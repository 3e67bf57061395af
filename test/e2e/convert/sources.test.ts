import test, { type ExecutionContext } from 'ava';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { hasWriterLock } from '../../../src/convert/map/in-use.ts';
import { MAIN } from '../../support/cli.ts';
import { convertToTar, leftovers, refused, requireConversion, virtualDiskDigest } from '../../support/conversion.ts';
import { makeDisk, makeFileSystem, toFormat } from '../../support/disk-image.ts';
import { makeGuestTree } from '../../support/guest-tree.ts';
import { run, runOk, startProgram } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const TOOLS = ['gzip', 'xz', 'zstd', 'bzip2', 'lz4', 'zip'];

async function tinyDisk(t: ExecutionContext, name = 'Tiny Linux 1'): Promise<string> {
  return await makeDisk(t, [{ image: await makeFileSystem(t, makeGuestTree(t, { name, files: { 'etc/motd': 'hello' } })), sizeMiB: 8 }]);
}

interface OvaOptions {
  readonly manifest?: 'none' | 'wrong' | 'silent';
  readonly disks?: readonly string[];
}

/** An appliance as VMware's and VirtualBox's exporters write it. */
async function ova(t: ExecutionContext, disks: readonly string[], { manifest }: OvaOptions = {}): Promise<string> {
  const dir = tempDir(t, 'ova');
  const names = disks.map((disk, i) => {
    copyFileSync(disk, join(dir, `vm-disk${i + 1}.vmdk`));
    return `vm-disk${i + 1}.vmdk`;
  });
  const references = names.map((name, i) => `<File ovf:href="${name}" ovf:id="file${i}" ovf:size="${statSync(join(dir, name)).size}"/>`);
  const descriptions = names.map((_, i) => `<Disk ovf:capacity="1" ovf:diskId="disk${i}" ovf:fileRef="file${i}" ovf:format="x"/>`);
  writeFileSync(
    join(dir, 'vm.ovf'),
    `<?xml version="1.0"?><Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>${references.join('')}</References><DiskSection>${descriptions.join('')}</DiskSection></Envelope>`,
  );
  const files = ['vm.ovf', ...names];
  const line = (name: string): string =>
    `SHA256(${name})= ${createHash('sha256')
      .update(manifest === 'wrong' ? name : readFileSync(join(dir, name)))
      .digest('hex')}\n`;
  if (manifest !== 'none') writeFileSync(join(dir, 'vm.mf'), (manifest === 'silent' ? ['vm.ovf'] : files).map(line).join(''));
  await runOk('tar', ['--format=ustar', '-C', dir, '-cf', join(dir, 'vm.ova'), ...files, ...(manifest === 'none' ? [] : ['vm.mf'])]);
  return join(dir, 'vm.ova');
}

test('the layer of a disk is the same whatever wrapping it came in', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  t.timeout(300_000);
  const disk = await tinyDisk(t);
  const expected = (await convertToTar(t, disk)).diffId;
  const dir = tempDir(t, 'wrap');
  copyFileSync(disk, join(dir, 'disk.raw'));
  const qcow2 = join(dir, 'vm.qcow2');
  renameSync(await toFormat(t, disk, 'qcow2'), qcow2);
  const vmdk = await toFormat(t, disk, 'vmdk', ['-o', 'subformat=streamOptimized']);
  const make = async (script: string): Promise<void> => {
    await runOk('sh', ['-euc', `cd "$1"; ${script}`, 'sh', dir]);
  };
  await make(
    'gzip -k disk.raw; xz -0k disk.raw; zstd -qk disk.raw; bzip2 -1k disk.raw; lz4 -q disk.raw disk.raw.lz4; zip -q disk.zip disk.raw; zip -q0 stored.zip disk.raw; xz -0k vm.qcow2',
  );
  // As Google Compute Engine has it, GNU's old sparse format, and pax'; beside other files; an archive in an archive.
  await make(
    'tar --format=oldgnu -Sczf disk.tar.gz disk.raw; tar --format=posix -Scf pax.tar disk.raw; echo x > README.txt; echo y > ._vm.qcow2; tar -cf plain.tar README.txt ._vm.qcow2 vm.qcow2; zip -q nested.zip README.txt plain.tar; cat disk.raw.gz > no-ending',
  );
  const wrapped = [
    'disk.raw.gz',
    'disk.raw.xz',
    'disk.raw.zst',
    'disk.raw.bz2',
    'disk.raw.lz4',
    'disk.zip',
    'stored.zip',
    'vm.qcow2.xz',
    'disk.tar.gz',
    'pax.tar',
    'plain.tar',
    'nested.zip',
    'no-ending',
    'vm.qcow2',
  ].map((name) => join(dir, name));
  const appliance = await ova(t, [vmdk]);
  const bytes = await virtualDiskDigest(t, disk);
  for (const file of [...wrapped, appliance]) t.is(await virtualDiskDigest(t, file), bytes, basename(file));
  for (const file of [join(dir, 'disk.raw.xz'), qcow2, appliance]) t.is((await convertToTar(t, file)).diffId, expected, basename(file));
  for (const format of ['qcow', 'qed', 'parallels']) {
    const image = await toFormat(t, disk, format);
    t.is(await virtualDiskDigest(t, image), bytes, format);
    t.is((await convertToTar(t, image, { backend: 'fuse' })).diffId, expected, format);
    truncateSync(image, Math.floor(statSync(image).size / 2));
    await refused(t, image, 'size-mismatch', /cut short/);
  }
  // Read in place: what is in an archive as it is takes no room.
  const { notes } = await convertToTar(t, await ova(t, [vmdk], { manifest: 'none' }), { backend: 'fuse' });
  t.true(notes.some((line) => line.includes('no manifest')));
});

test('a VMDK in several files is read through its descriptor, and nothing beside its extents is', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await tinyDisk(t);
  const expected = (await convertToTar(t, disk)).diffId;
  const bytes = await virtualDiskDigest(t, disk);
  for (const subformat of ['twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'monolithicFlat']) {
    const image = await toFormat(t, disk, 'vmdk', ['-o', `subformat=${subformat}`], 'vm.vmdk');
    const folder = join(image, '..');
    t.is((await convertToTar(t, image, { backend: 'fuse' })).diffId, expected, subformat);
    t.is(await virtualDiskDigest(t, image), bytes, subformat);
    const extent = readdirSync(folder).find((name) => name !== 'vm.vmdk')!;
    if (subformat === 'twoGbMaxExtentSparse') {
      await runOk('sh', ['-euc', 'cd "$1"; zip -q vm.zip *.vmdk; tar -cf vm.tar *.vmdk', 'sh', folder]);
      for (const archive of ['vm.zip', 'vm.tar']) t.is(await virtualDiskDigest(t, join(folder, archive)), bytes, archive);
      await refused(t, join(folder, extent), 'unsupported', /one extent of a disk that is split.*convert the descriptor/);
    }
    // Elsewhere it has to be named; a link is not followed.
    const other = join(tempDir(t, 'other'), extent);
    renameSync(join(folder, extent), other);
    await refused(t, image, 'not-found', /extent .* is not in its folder.*--extents/);
    t.is(await virtualDiskDigest(t, image, { extents: [other] }), bytes);
    symlinkSync(other, join(folder, extent));
    await refused(t, image, 'denied', /links are not followed/);
  }
  const dir = tempDir(t, 'host');
  const descriptor = (lines: string): void => {
    writeFileSync(join(dir, 'x.vmdk'), `# Disk DescriptorFile\nversion=1\nCID=1\n${lines}\n`);
  };
  copyFileSync(disk, join(dir, 'disk-flat.vmdk'));
  for (const [lines, code, message] of [
    ['parentCID=ffffffff\nRW 8 FLAT "/etc/hostname" 0', 'denied', /extent files by path/],
    ['parentCID=ffffffff\nRW 8 FLAT "../secret" 0', 'denied', /extent files by path/],
    ['parentCID=ffffffff\nRW 8 FLAT "json:{\\"driver\\":\\"null-co\\"}" 0', 'unsupported', /cannot be read/],
    ['parentCID=ffffffff\nRW 8 FLAT "nbd:localhost:1" 0', 'not-found', /is not in its folder/],
    ['parentCID=ffffffff\nRW 999999999 FLAT "disk-flat.vmdk" 0', 'size-mismatch', /cut short/],
    ['parentCID=ffffffff\nRW 99999999999 ZERO', 'too-large', /max-disk-size/],
    ['parentCID=12345678\nRW 8 FLAT "disk-flat.vmdk" 0', 'denied', /a parent disk/],
    ['parentCID=ffffffff\nRW 8 VMFSSPARSE "disk-flat.vmdk"', 'unsupported', /VMFSSPARSE/],
    ['parentCID=ffffffff\nRW 8 SPARSE "x.vmdk"', 'denied', /a text descriptor/],
  ] as const) {
    descriptor(lines);
    await refused(t, join(dir, 'x.vmdk'), code, message);
  }
});

test('an archive that is damaged, hostile or no disk is refused in one line, and leaves nothing', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  const disk = await tinyDisk(t);
  const vmdk = await toFormat(t, disk, 'vmdk', ['-o', 'subformat=streamOptimized']);
  const dir = tempDir(t, 'bad');
  copyFileSync(disk, join(dir, 'disk.raw'));
  await runOk('sh', [
    '-euc',
    'cd "$1"; gzip -k disk.raw; xz -0k disk.raw; zstd -qk disk.raw; zip -q disk.zip disk.raw; for f in disk.raw.gz disk.raw.xz disk.raw.zst disk.zip; do head -c 20000 $f > cut-$f; done; head -c 300M /dev/zero | xz -0 > bomb.xz',
    'sh',
    dir,
  ]);
  for (const name of ['cut-disk.raw.gz', 'cut-disk.raw.xz', 'cut-disk.raw.zst', 'cut-disk.zip'])
    await refused(t, join(dir, name), 'size-mismatch', /cut short/);
  await refused(t, join(dir, 'bomb.xz'), 'too-large', /--max-disk-size/, { maxDiskSize: 100 * 1024 * 1024 });
  await refused(t, await ova(t, [vmdk], { manifest: 'wrong' }), 'verification-failed', /not what its manifest says/);
  await refused(t, await ova(t, [vmdk], { manifest: 'silent' }), 'verification-failed', /says nothing of "vm-disk1.vmdk"/);
  const data = await toFormat(t, await makeFileSystem(t, undefined, { sizeMiB: 8 }), 'vmdk', ['-o', 'subformat=streamOptimized']);
  const both = await ova(t, [data, vmdk]);
  await refused(
    t,
    both,
    'usage',
    /the OVA archive holds 2 files that could be the disk \("vm-disk1.vmdk", "vm-disk2.vmdk"\): say which with --member/,
  );
  t.is((await convertToTar(t, both, { member: 'vm-disk2.vmdk' })).root, 'p1');
  await refused(t, disk, 'usage', /no archive with a file "x"/, { member: 'x' });
  // Names that lead out of a folder, and a link that does: none is made.
  mkdirSync(join(dir, 'in'));
  await runOk('sh', [
    '-euc',
    'cd "$1/in"; ln -s /etc/hostname link.img; tar -Pcf ../names.tar --transform="s,^disk.raw,../../../escaped.img," -C .. disk.raw -C in link.img; for i in 1 2 3 4 5 6; do gzip -c ../disk.raw.gz > x.gz; mv x.gz ../disk.raw.gz; done; tar -cf ../rootfs.tar -C / ./etc/passwd ./etc/os-release',
    'sh',
    dir,
  ]);
  t.is(await virtualDiskDigest(t, join(dir, 'names.tar')), await virtualDiskDigest(t, disk));
  await refused(t, join(dir, 'disk.raw.gz'), 'unsupported', /packed more than/);
  const scratch = tempDir(t, 'scr');
  const { code, stderr } = await run(process.execPath, [MAIN, 'convert', join(dir, 'rootfs.tar'), '--scratch', scratch]);
  t.is(code, 2);
  t.regex(stderr, /^layerswarm: .*layerswarm seed tar:FILE.*\n$/);
  t.deepEqual(leftovers(scratch), []);
});

test('a block device is read like a file, and refused while it is mounted', async (t) => {
  if (!requireConversion(t, 'root', 'losetup')) return;
  const disk = await makeFileSystem(t, makeGuestTree(t));
  const expected = (await convertToTar(t, disk)).diffId;
  const device = (await runOk('losetup', ['--show', '--find', disk])).stdout.trim();
  const folder = tempDir(t, 'mnt');
  try {
    for (const backend of ['fuse', 'loop', 'raw'] as const) t.is((await convertToTar(t, device, { backend })).diffId, expected, backend);
    await runOk('mount', ['-o', 'ro', device, folder]);
    try {
      await refused(t, device, 'unavailable', /is in use: it is mounted.*--live-source/);
      t.is((await convertToTar(t, device, { liveSource: true })).diffId, expected);
    } finally {
      await runOk('umount', [folder]);
    }
  } finally {
    await runOk('losetup', ['--detach', device]);
  }
});

test('a disk that a virtual machine writes to is refused by name, unless that is meant', async (t) => {
  if (!requireConversion(t, 'qemu-io')) return;
  const raw = await makeFileSystem(t, makeGuestTree(t));
  const expected = (await convertToTar(t, raw)).diffId;
  for (const [image, format] of [
    [raw, 'raw'],
    [await toFormat(t, raw, 'qcow2'), 'qcow2'],
  ] as const) {
    const machine = startProgram(t, 'qemu-io', ['-f', format, image, '-c', 'sleep 600000']);
    await machine.waitFor('the lock', () => hasWriterLock(image, readFileSync('/proc/locks', 'utf8')));
    await refused(t, image, 'unavailable', /is in use: a running virtual machine writes to it.*--live-source/);
    for (const backend of ['fuse', 'raw'] as const)
      t.is((await convertToTar(t, image, { backend, liveSource: true })).diffId, expected, `${format} ${backend}`);
    process.kill(machine.pid, 'SIGKILL');
    await machine.finished;
  }
});
