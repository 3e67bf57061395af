import test from 'ava';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mapDisk, mountDisk, unmountDisk } from '../../../src/convert/disk/persistent.ts';
import { convertToTar, leftovers, listTar, readFromTar, refused, requireConversion, sha256 } from '../../support/conversion.ts';
import { copyInto, makeDisk, makeFileSystem, sparseFile, toFormat } from '../../support/disk-image.ts';
import { fillLuks, makeLuks } from '../../support/luks.ts';
import { makeGuestTree } from '../../support/guest-tree.ts';
import { runOk } from '../../support/process.ts';
import { raidSuperblock } from '../../support/raid-superblock.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MIB = 1024 * 1024;

test('a logical partition of an MBR holds the root', async (t) => {
  if (!requireConversion(t)) return;
  const root = await makeFileSystem(t, makeGuestTree(t));
  const data = await makeFileSystem(t, undefined, { sizeMiB: 8 });
  const disk = await makeDisk(
    t,
    [
      { image: data, sizeMiB: 8 },
      { image: data, sizeMiB: 8 },
      { image: root, sizeMiB: 48 },
    ],
    {
      table: 'dos',
      script: {
        lines: [
          'start=1MiB, size=8MiB, type=83',
          'start=10MiB, size=59MiB, type=5',
          'start=11MiB, size=8MiB, type=83',
          'start=20MiB, size=48MiB, type=83',
        ],
        offsetsMiB: [1, 11, 20],
      },
    },
  );
  t.is((await convertToTar(t, disk)).root, 'p6');
});

test('a GPT with sectors of 4 KiB is read', async (t) => {
  if (!requireConversion(t, 'root', 'losetup')) return;
  const root = await makeFileSystem(t, makeGuestTree(t));
  const disk = sparseFile(join(tempDir(t, 'disk'), 'disk.raw'), 64 * MIB);
  const device = (await runOk('losetup', ['--show', '--find', '--sector-size', '4096', disk])).stdout.trim();
  try {
    await runOk('sfdisk', ['-q', '--no-reread', '--no-tell-kernel', device], { input: 'label: gpt\nstart=256, size=12288, name="root"\n' });
  } finally {
    await runOk('losetup', ['--detach', device]);
  }
  await copyInto(root, disk, MIB);
  t.is((await convertToTar(t, disk)).root, 'p1');
});

test('a disk without a table, and one whose GPT is left in its backup alone, are read', async (t) => {
  if (!requireConversion(t)) return;
  const root = await makeFileSystem(t, makeGuestTree(t));
  t.is((await convertToTar(t, root)).root, 'disk');
  const disk = await makeDisk(t, [{ image: root, sizeMiB: 48 }]);
  await runOk('dd', ['if=/dev/zero', `of=${disk}`, 'bs=512', 'seek=1', 'count=33', 'conv=notrunc', 'status=none']);
  const { diffId } = await convertToTar(t, disk);
  // A VHD pads the disk to whole cylinders: the backup is no longer at the end.
  t.is((await convertToTar(t, await toFormat(t, disk, 'vpc'))).diffId, diffId);
});

/** lvm2 itself writes the metadata: it needs block devices, but no device-mapper for volumes that stay inactive. */
async function lvm(devices: readonly string[], ...command: string[]): Promise<void> {
  const config = `devices { filter=[${devices.map((device) => `"a|^${device}$|", `).join('')}"r|.*|"] use_devicesfile=0 scan_lvs=0 } activation { udev_sync=0 udev_rules=0 monitoring=0 } backup { backup=0 archive=0 } global { use_lvmpolld=0 locking_type=0 }`;
  await runOk(command[0]!, ['--driverloaded', 'n', '--config', config, ...command.slice(1)]);
}

interface LogicalRun {
  /** Physical extents of 4 MiB, in the order of the logical volume, each run on one of the physical volumes. */
  readonly extents: readonly (readonly [first: number, count: number, physical?: number])[];
}

/** Physical volumes with a group `vg` and the volume `root` in the given pieces. */
async function makeGroup(dir: string, names: readonly string[], image: string, { extents }: LogicalRun, sizeMiB = 96): Promise<string[]> {
  const files = names.map((name) => sparseFile(join(dir, name), sizeMiB * MIB));
  const devices: string[] = [];
  try {
    for (const file of files) devices.push((await runOk('losetup', ['--show', '--find', file])).stdout.trim());
    await lvm(devices, 'pvcreate', '-q', '--dataalignment', '1m', ...devices);
    await lvm(devices, 'vgcreate', '-q', '--physicalextentsize', '4m', 'vg', ...devices);
    for (const [i, [first, count, physical = 0]] of extents.entries()) {
      const place = `${devices[physical]}:${first}-${first + count - 1}`;
      if (i === 0) await lvm(devices, 'lvcreate', '-q', '-an', '-Zn', '-Wn', '-n', 'root', '-l', String(count), 'vg', place);
      else await lvm(devices, 'lvextend', '-q', '--alloc', 'anywhere', '-l', `+${count}`, 'vg/root', place);
    }
  } finally {
    for (const device of devices) await runOk('losetup', ['--detach', device]);
  }
  let from = 0;
  for (const [first, count, physical = 0] of extents) {
    await runOk('dd', [
      `if=${image}`,
      `of=${files[physical]}`,
      'bs=4M',
      'iflag=skip_bytes,fullblock',
      'oflag=seek_bytes',
      `skip=${from * 4 * MIB}`,
      `seek=${MIB + first * 4 * MIB}`,
      `count=${count}`,
      'conv=notrunc',
      'status=none',
    ]);
    from += count;
  }
  return files;
}

async function makePhysicalVolume(dir: string, name: string, image: string, run: LogicalRun): Promise<string> {
  const [file] = await makeGroup(dir, [name], image, run);
  return file!;
}

const FRAGMENTED: LogicalRun = {
  extents: [
    [10, 3],
    [2, 4],
    [15, 5],
  ],
};

test('a logical volume in pieces is put together, with and without copying', async (t) => {
  if (!requireConversion(t, 'root', 'losetup', 'pvcreate')) return;
  const root = await makeFileSystem(t, makeGuestTree(t, { files: { 'etc/big': Buffer.alloc(6 * MIB, 'abcdefg') } }), { sizeMiB: 48 });
  const disk = await makeDisk(t, [{ image: await makePhysicalVolume(tempDir(t, 'lvm'), 'pv', root, FRAGMENTED), sizeMiB: 96 }]);
  const expected = await convertToTar(t, root);
  for (const backend of ['fuse', 'loop', 'raw'] as const) {
    const converted = await convertToTar(t, await toFormat(t, disk, 'qcow2'), { backend });
    t.is(converted.root, 'vg/root');
    t.is(converted.diffId, expected.diffId, backend);
  }
  const [map, scratch] = [join(tempDir(t, 'map'), 'map'), tempDir(t, 'scr')];
  await mapDisk(disk, map, { scratch });
  t.is(await sha256(join(map, 'vg-root')), await sha256(root));
  await unmountDisk(map, scratch);
  t.deepEqual([...readdirSync(map), ...leftovers(scratch)], []);
});

test('several disks of one machine are one volume group and one fstab, with and without copying', async (t) => {
  if (!requireConversion(t, 'root', 'losetup', 'pvcreate')) return;
  const tree = makeGuestTree(t, {
    fstab: '/dev/vg/root / ext4 defaults 0 1\n/dev/sdb2 /home ext4 defaults 0 2\n/dev/sdc /srv ext4 defaults 0 2\n',
    files: { 'etc/big': Buffer.alloc(6 * MIB, 'abcdefg'), 'srv/hidden': 'x' },
  });
  const root = await makeFileSystem(t, tree, { sizeMiB: 48 });
  const part = async (name: string): Promise<string> => {
    const folder = tempDir(t, 'part');
    writeFileSync(join(folder, name), name);
    return await makeFileSystem(t, folder, { sizeMiB: 8 });
  };
  const [first, second] = await makeGroup(tempDir(t, 'lvm'), ['first', 'second'], root, {
    extents: [
      [10, 3, 1],
      [2, 4],
      [15, 5, 1],
    ],
  });
  const home = await part('mine');
  const disks = [
    await makeDisk(t, [
      { image: home, sizeMiB: 8 },
      { image: first!, sizeMiB: 96 },
    ]),
    await makeDisk(t, [
      { image: second!, sizeMiB: 96 },
      { image: home, sizeMiB: 8 },
    ]),
    await part('data'),
  ];
  const moreDisks = [await toFormat(t, disks[1]!, 'vmdk'), disks[2]!];
  const digests = new Set<string>();
  for (const backend of ['fuse', 'raw'] as const) {
    const { root, file, diffId } = await convertToTar(t, await toFormat(t, disks[0]!, 'qcow2'), { backend, moreDisks });
    digests.add(diffId);
    t.is(root, 'vg/root');
    const names = await listTar(file);
    for (const name of ['./home/mine', './srv/data', './etc/big']) t.is(names.filter((other) => other === name).length, 1, name);
    t.false(names.includes('./srv/hidden'));
    t.is(await readFromTar(file, './etc/big'), 'abcdefg'.repeat(6 * MIB).slice(0, 6 * MIB));
  }
  t.is(digests.size, 1);
  await refused(
    t,
    disks[0]!,
    'unsupported',
    /vg\/root: an LVM volume partly on a physical volume that is not on this disk \(pv1\): name the disk that has it with --disk/,
  );
  await refused(t, disks[0]!, 'usage', /--disk names .*which is among the disks already/, { moreDisks: [disks[0]!] });
  await refused(t, disks[0]!, 'not-found', /there is no disk image/, { moreDisks: [`${disks[0]!}.none`] });
  const [map, scratch] = [join(tempDir(t, 'map'), 'map'), tempDir(t, 'scr')];
  await mapDisk(disks[0]!, map, { scratch, moreDisks });
  t.is(await sha256(join(map, 'vg-root')), await sha256(root));
  const tree2 = join(tempDir(t, 'tree'), 'tree');
  t.is((await mountDisk(map, tree2, { scratch })).root, 'vg/root');
  t.is(readFileSync(join(tree2, 'home/mine'), 'utf8'), 'mine');
  for (const folder of [tree2, map]) await unmountDisk(folder, scratch);
  t.deepEqual([...readdirSync(map), ...leftovers(scratch)], []);
});

test('two groups of one name on one disk are told apart', async (t) => {
  if (!requireConversion(t, 'root', 'losetup', 'pvcreate')) return;
  const dir = tempDir(t, 'lvm');
  const system = await makeFileSystem(t, makeGuestTree(t, { name: 'the system' }), { sizeMiB: 48 });
  const data = await makeFileSystem(t, undefined, { sizeMiB: 48 });
  const first = await makePhysicalVolume(dir, 'first', data, { extents: [[0, 12]] });
  const second = await makePhysicalVolume(dir, 'second', system, FRAGMENTED);
  const disk = await makeDisk(t, [
    { image: first, sizeMiB: 96 },
    { image: second, sizeMiB: 96 },
  ]);
  const { root, system: name } = await convertToTar(t, disk);
  t.regex(root, /^vg@\w{6}\/root$/);
  t.is(name, 'the system');
});

test('LUKS is read with its passphrase: the root in it, or a volume group with the root', async (t) => {
  if (!requireConversion(t, 'root', 'losetup', 'pvcreate', 'cryptsetup')) return;
  const root = await makeFileSystem(t, makeGuestTree(t, { fstab: 'UUID=1 / ext4\n' }), { sizeMiB: 8 });
  const { diffId } = await convertToTar(t, root);
  const luks2 = await makeLuks(
    t,
    ['--type', 'luks2', '--pbkdf', 'argon2id', '--pbkdf-memory', '32', '--pbkdf-parallel', '1', '--pbkdf-force-iterations', '4'],
    { dataBytes: 8 * MIB },
  );
  fillLuks(luks2, root, 4096);
  // LVM in it; and a newline that an editor left at the end of the passphrase.
  const keyFile = join(tempDir(t, 'key'), 'passphrase');
  writeFileSync(keyFile, 'another one\n');
  const luks1 = await makeLuks(t, ['--type', 'luks1', '--pbkdf-force-iterations', '1000'], {
    dataBytes: 24 * MIB,
    passphrase: 'another one',
  });
  fillLuks(
    luks1,
    (
      await makeGroup(
        tempDir(t, 'lvm'),
        ['pv'],
        root,
        {
          extents: [
            [3, 1],
            [1, 1],
          ],
        },
        24,
      )
    )[0]!,
    512,
  );
  for (const [image, file, name, backend] of [
    [luks2.file, luks2.keyFile, 'p2', 'fuse'],
    [luks1.file, keyFile, 'vg/root', 'raw'],
  ] as const) {
    const disk = await makeDisk(t, [
      { image: await makeFileSystem(t, undefined, { sizeMiB: 8 }), sizeMiB: 8 },
      { image, sizeMiB: Math.ceil(statSync(image).size / MIB) },
    ]);
    const converted = await convertToTar(t, disk, { keyFiles: [file], backend });
    t.is(converted.root, name);
    t.is(converted.diffId, diffId, name);
  }
  await refused(t, luks2.file, 'unsupported', /disk: LUKS encryption, which no --key-file opens/, { keyFiles: [keyFile] });
  await refused(t, luks2.file, 'not-found', /there is no key file/, { keyFiles: [`${keyFile}.none`] });
});

test('LUKS, NTFS, swap and volumes of other kinds are refused by name', async (t) => {
  if (!requireConversion(t)) return;
  const filled = async (at: number, magic: string): Promise<string> => {
    const file = sparseFile(join(tempDir(t, 'x'), 'x.raw'), 8 * MIB);
    await runOk('dd', [`of=${file}`, 'bs=1', `seek=${at}`, 'conv=notrunc', 'status=none'], { input: Buffer.from(magic, 'latin1') });
    return file;
  };
  const made = async (program: string): Promise<string> => {
    const file = sparseFile(join(tempDir(t, 'x'), 'x.raw'), 8 * MIB);
    await runOk(program, [file]);
    return file;
  };
  const swap = sparseFile(join(tempDir(t, 'x'), 'swap.raw'), 8 * MIB);
  await runOk('mkswap', [swap]);
  for (const [image, message] of [
    [
      await filled(0, 'LUKS\xba\xbe\0\x02'),
      /no operating system.*p1: LUKS encryption \(what to do: name a file with its passphrase with --key-file, or unlock it .*cryptsetup/,
    ],
    [await made('mkfs.bfs'), /p1: bfs \(what to do: mount it where it came from.*layerswarm seed tar:/],
    [await made('mkfs.minix'), /p1: MINIX \(what to do: mount it/],
    [await filled(3, 'NTFS    '), /p1: NTFS \(Windows\)/],
    [swap, /p1: swap space/],
    [await filled(100, 'nothing'), /p1: no known file system/],
    [await makeFileSystem(t, undefined, { sizeMiB: 8 }), /p1: no operating system/],
  ] as const)
    await refused(t, await makeDisk(t, [{ image, sizeMiB: 8 }]), 'unsupported', message);
  await refused(t, swap, 'unsupported', /disk: swap space/);
  const labelled = sparseFile(join(tempDir(t, 'x'), 'sgi.raw'), 8 * MIB);
  await runOk('sfdisk', ['-q', labelled], { input: 'label: sgi\n' });
  await refused(t, labelled, 'unsupported', /disk: a partition table of type sgi/);
});

test('a partition that the disk no longer has is an error', async (t) => {
  if (!requireConversion(t)) return;
  const scratch = tempDir(t, 'scr');
  const disk = await makeDisk(t, [{ image: await makeFileSystem(t, makeGuestTree(t)), sizeMiB: 48 }]);
  await runOk('truncate', ['--size=5M', disk]);
  await refused(t, disk, 'size-mismatch', /cut short/, { scratch });
  t.deepEqual(leftovers(scratch), []);
});

test('one half of a software RAID 1 is read, with a warning', async (t) => {
  if (!requireConversion(t)) return;
  const root = await makeFileSystem(t, makeGuestTree(t));
  const { diffId } = await convertToTar(t, root);
  for (const [version, offset] of [
    ['1.2', MIB],
    ['1.0', 0],
    ['0.90', 0],
  ] as const) {
    const half = sparseFile(join(tempDir(t, 'raid'), 'half'), 12 * MIB);
    const { at, block } = raidSuperblock(12 * MIB, { version, offset, bytes: 8 * MIB });
    await runOk('dd', [`of=${half}`, 'bs=512', `seek=${at / 512}`, 'conv=notrunc', 'status=none'], { input: block });
    await copyInto(root, half, offset);
    const converted = await convertToTar(t, await makeDisk(t, [{ image: half, sizeMiB: 12 }]));
    t.is(converted.diffId, diffId, version);
    t.true(converted.notes.some((line) => line.startsWith('p1 is read as one of the 2 mirrors of a RAID 1')));
  }
  // What an array of before left behind a file system of today is not believed.
  const stale = raidSuperblock(8 * MIB, { version: '1.0', level: 5, bytes: 4 * MIB });
  await runOk('dd', [`of=${root}`, 'bs=512', `seek=${stale.at / 512}`, 'conv=notrunc', 'status=none'], { input: stale.block });
  t.is((await convertToTar(t, root)).root, 'disk');
});
