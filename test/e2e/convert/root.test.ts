import test, { type ExecutionContext } from 'ava';
import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { overlaySystem } from '../../../src/convert/boot/overlay.ts';
import { Cleanup } from '../../../src/convert/cleanup.ts';
import { openSystem } from '../../../src/convert/open-system.ts';
import {
  conversionByNobody,
  convertToTar,
  listTar,
  readFromTar,
  refused,
  requireConversion,
  sha256,
  withoutLeaks,
} from '../../support/conversion.ts';
import { makeDisk, makeFileSystem } from '../../support/disk-image.ts';
import { makeGuestTree } from '../../support/guest-tree.ts';
import { runOk } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const UUIDS = {
  root: '11111111-0000-0000-0000-000000000001',
  usr: '11111111-0000-0000-0000-000000000002',
  var: '11111111-0000-0000-0000-000000000003',
  boot: '11111111-0000-0000-0000-000000000004',
};
const BACKENDS = [{ backend: 'fuse' }, { backend: 'loop' }] as const;

test('links that a guest put into its root lead to no file of this host', async (t) => {
  if (!requireConversion(t, 'root')) return;
  const host = tempDir(t, 'host');
  writeFileSync(join(host, 'os-release'), 'PRETTY_NAME="of the host"\n');
  const tree = makeGuestTree(t, { fstab: `UUID=${UUIDS.boot} /boot ext4 defaults 0 2\n` });
  rmSync(join(tree, 'etc/os-release'));
  symlinkSync(join(host, 'os-release'), join(tree, 'etc/os-release'));
  // Followed by the host, this /boot would be a folder of the host.
  rmSync(join(tree, 'boot'), { recursive: true });
  symlinkSync(`../../../../../../../..${host}`, join(tree, 'boot'));
  const root = await makeFileSystem(t, tree, { uuid: UUIDS.root });
  const bootTree = join(tempDir(t, 'boot'), 'boot');
  mkdirSync(bootTree);
  writeFileSync(join(bootTree, 'note'), 'of /boot');
  const disk = await makeDisk(t, [
    { image: root, sizeMiB: 48 },
    { image: await makeFileSystem(t, bootTree, { sizeMiB: 8, uuid: UUIDS.boot }), sizeMiB: 8 },
  ]);
  for (const options of BACKENDS) {
    const { system, notes, file } = await convertToTar(t, disk, { root: 'p1', ...options });
    t.is(system, 'Linux');
    t.true(notes.some((line) => line.startsWith('"/boot" is left out')));
    t.false((await listTar(file)).some((name) => name.includes('os-release') && name.includes(host)));
  }
});

test('/usr, /var and /boot of their own are put where fstab says, with their own modes', async (t) => {
  if (!requireConversion(t, 'root')) return;
  const tree = makeGuestTree(t, {
    fstab: `UUID=${UUIDS.root} / ext4 defaults 0 1\nUUID=${UUIDS.usr} /usr ext4 defaults 0 2\nPARTLABEL=variable /var ext4 defaults 0 2\nUUID=${UUIDS.boot} /boot ext4 defaults 0 2\nUUID=dead-beef /boot/efi vfat umask=0077 0 1\nUUID=99999999-0000-0000-0000-000000000000 /home ext4 defaults 0 2\n`,
    files: { 'usr/hidden': 'below the mount' },
  });
  rmSync(join(tree, 'bin'), { recursive: true });
  symlinkSync('usr/bin', join(tree, 'bin'));
  rmSync(join(tree, 'etc/os-release'));
  symlinkSync('../usr/lib/os-release', join(tree, 'etc/os-release'));
  const usr = makeGuestTree(t, {
    files: { 'lib/os-release': 'PRETTY_NAME="Split"\n', 'lib/modules/6.1/x.ko': 'module', 'hard/one': 'linked' },
  });
  const variable = makeGuestTree(t, { files: { 'log/messages': 'hello' } });
  const boot = makeGuestTree(t, { files: { 'vmlinuz-6.1': 'kernel', other: 'kept' } });
  const disk = await makeDisk(t, [
    { image: await makeFileSystem(t, tree, { uuid: UUIDS.root }), sizeMiB: 48, type: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709' },
    { image: await makeFileSystem(t, usr, { uuid: UUIDS.usr }), sizeMiB: 48 },
    { image: await makeFileSystem(t, variable, { uuid: UUIDS.var }), sizeMiB: 48, name: 'variable' },
    { image: await makeFileSystem(t, boot, { uuid: UUIDS.boot }), sizeMiB: 48 },
  ]);
  const digests = new Set<string>();
  for (const options of BACKENDS) {
    const { root, system, notes, file, diffId } = await convertToTar(t, disk, { root: 'p1', ...options });
    digests.add(diffId);
    t.is(root, 'p1');
    t.is(system, 'Split');
    t.is(await readFromTar(file, './usr/lib/os-release'), 'PRETTY_NAME="Split"\n');
    const names = await listTar(file);
    t.is(new Set(names).size, names.length, 'every name once');
    for (const name of ['./usr/', './usr/lib/modules/', './var/log/messages', './boot/other']) t.true(names.includes(name), name);
    for (const name of ['./usr/hidden', './usr/lib/modules/6.1/', './boot/vmlinuz-6.1', './usr/lost+found/'])
      t.false(names.includes(name), name);
    t.true(notes.some((line) => line.startsWith('"/home" is left out') && line.includes('not on this disk')));
  }
  t.is(digests.size, 1);
});

const TYPES = {
  root: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709',
  usr: '8484680C-9521-48C6-9C11-B0720656F69E',
  home: '933AC7E1-2EB4-4F13-B844-0E14E2AEF915',
  srv: '3B8F8425-20E0-4F3B-907F-1A25A76F98E8',
  var: '4D21B016-B534-45C2-A9FB-5C16E091FD2D',
};

/** A folder of one file, as the content of a partition. */
function oneFile(t: ExecutionContext, path: string, more: readonly string[] = []): string {
  const tree = join(tempDir(t, 'part'), 'tree');
  for (const folder of [dirname(path), ...more]) mkdirSync(join(tree, folder), { recursive: true });
  writeFileSync(join(tree, path), path);
  return tree;
}

test('without an fstab, the types of the partitions say what is the root and what belongs into it', async (t) => {
  if (!requireConversion(t, 'root')) return;
  const root = makeGuestTree(t, {
    fstab: '# none\n',
    files: { 'etc/machine-id': '00112233445566778899aabbccddeeff\n', 'srv/here': 'a folder that is not empty' },
  });
  for (const name of ['bin', 'sbin', 'usr', 'var', 'etc/os-release']) rmSync(join(root, name), { recursive: true });
  for (const name of ['usr', 'var']) mkdirSync(join(root, name));
  for (const name of ['bin', 'sbin']) symlinkSync(`usr/${name}`, join(root, name));
  const usr = makeGuestTree(t, {
    files: { 'lib/os-release': 'PRETTY_NAME="Only in usr"\n', 'lib/systemd/systemd': 'x', 'share/doc': 'x' },
  });
  for (const name of ['etc', 'usr', 'var', 'root', 'proc', 'sys', 'dev', 'boot', 'home', 'tmp'])
    rmSync(join(usr, name), { recursive: true });
  const sizeMiB = 16;
  const image = async (tree: string): Promise<string> => await makeFileSystem(t, tree, { sizeMiB });
  const disk = await makeDisk(t, [
    { image: await image(usr), sizeMiB, type: TYPES.usr },
    { image: await image(oneFile(t, 'someone/file')), sizeMiB, type: TYPES.home },
    { image: await image(oneFile(t, 'log/mine')), sizeMiB, type: TYPES.var },
    { image: await image(oneFile(t, 'log/other')), sizeMiB, type: TYPES.var },
    { image: await image(oneFile(t, 'data')), sizeMiB, type: TYPES.srv },
    { image: await image(root), sizeMiB, type: TYPES.root },
  ]);
  await runOk('sfdisk', ['-q', '--part-uuid', disk, '3', '979e9af7-1627-4b8e-a6a0-7019e578a8d7']);
  const digests = new Set<string>();
  for (const options of BACKENDS) {
    const converted = await convertToTar(t, disk, options);
    digests.add(converted.diffId);
    t.like(converted, { root: 'p6', system: 'Only in usr' });
    const names = await listTar(converted.file);
    t.is(new Set(names).size, names.length, 'every name once');
    for (const name of ['./etc/machine-id', './usr/bin/sh', './usr/share/doc', './home/someone/file', './var/log/mine', './srv/here'])
      t.is(names.includes(name), name !== './etc/machine-id', name);
    for (const name of ['./var/log/other', './srv/data', './share/doc']) t.false(names.includes(name), name);
    for (const note of [/^p4 is left out: it is the \/var of a machine with another id/, /^"\/srv" of p5 is left out/])
      t.true(
        converted.notes.some((line) => note.test(line)),
        String(note),
      );
  }
  t.is(digests.size, 1);
  t.is((await convertToTar(t, disk, { root: 'p1' })).diffId, [...digests][0]!, 'a /usr means its system');
});

/** A /usr of a version, and nothing else. */
function usrTree(t: ExecutionContext, version: string): string {
  const tree = makeGuestTree(t, {
    files: { 'lib/os-release': `PRETTY_NAME="Flat ${version}"\n`, 'lib/systemd/systemd': 'x', 'lib64/ld.so': 'x' },
  });
  for (const name of ['etc', 'usr', 'var', 'root', 'proc', 'sys', 'dev', 'boot', 'home', 'tmp'])
    rmSync(join(tree, name), { recursive: true });
  return tree;
}

const FLATCAR = { usr: '5DFBF5F4-2848-4BAC-AA5E-0D9A20B745A6', root: '3884DD41-8582-4404-B9A8-E9B84F2DF50E' };

test('of two /usr the active one is taken, and a root in which nothing is yet gets what systemd makes in it', async (t) => {
  if (!requireConversion(t)) return;
  const sizeMiB = 8;
  const [a, b] = [await makeFileSystem(t, usrTree(t, '1.0'), { sizeMiB }), await makeFileSystem(t, usrTree(t, '2.0'), { sizeMiB })];
  const root = await makeFileSystem(t, oneFile(t, 'kept'), { sizeMiB });
  const disk = await makeDisk(t, [
    { image: a, sizeMiB, type: FLATCAR.usr, name: 'USR-A' },
    { image: b, sizeMiB, type: FLATCAR.usr, name: 'USR-B' },
    { image: root, sizeMiB, type: FLATCAR.root, name: 'ROOT' },
  ]);
  await refused(
    t,
    disk,
    'usage',
    /more than one \/usr, and nothing says which is booted: p1 \(Flat 1.0\), p2 \(Flat 2.0\); say which with --root p1/,
  );
  // Priority 1, booted before; priority 2 and one try left.
  await runOk('sfdisk', ['-q', '--part-attrs', disk, '1', 'GUID:48,GUID:56']);
  await runOk('sfdisk', ['-q', '--part-attrs', disk, '2', 'GUID:49,GUID:52']);
  const converted = await convertToTar(t, disk);
  t.like(converted, { root: 'p3', system: 'Flat 2.0' });
  t.true(converted.notes.includes('p1 is left out: p2 is the /usr that is booted'));
  t.true(converted.notes.some((line) => line.startsWith('the root has nothing yet but a /usr')));
  const listed = (await runOk('tar', ['--list', '--verbose', '--numeric-owner', `--file=${converted.file}`])).stdout
    .split('\n')
    .map((line) => line.replaceAll(/ +\d+ \d{4}-\d\d-\d\d \d\d:\d\d /g, ' '));
  for (const line of [
    'drwxr-xr-x 0/0 ./etc/',
    'drwxrwxrwt 0/0 ./tmp/',
    'drwxr-x--- 0/0 ./root/',
    'lrwxrwxrwx 0/0 ./bin -> usr/bin',
    'lrwxrwxrwx 0/0 ./lib64 -> usr/lib64',
  ])
    t.true(listed.includes(line), `${line} in ${listed.join('\n')}`);
  for (const name of ['./kept', './usr/bin/sh', './']) t.is(listed.filter((line) => line.endsWith(` ${name}`)).length, 1, name);
  t.is((await convertToTar(t, disk, { root: 'p1' })).system, 'Flat 1.0');
  t.is((await convertToTar(t, disk, { root: 'p3' })).diffId, converted.diffId);
});

test('a disk with nothing but versions of a /usr gives the newest, with a root as systemd makes it, to a plain user too', async (t) => {
  if (!requireConversion(t, 'root')) return;
  const sizeMiB = 8;
  const [a, b] = [await makeFileSystem(t, usrTree(t, '9'), { sizeMiB }), await makeFileSystem(t, usrTree(t, '10'), { sizeMiB })];
  const disk = await makeDisk(t, [
    { image: b, sizeMiB, type: TYPES.usr, name: 'flat_10' },
    { image: a, sizeMiB, type: TYPES.usr, name: 'flat_9' },
    { image: a, sizeMiB, type: TYPES.usr, name: '_empty' },
  ]);
  const { root, system, diffId, file } = await convertToTar(t, disk);
  t.is(root, 'p1');
  t.is(system, 'Flat 10');
  t.true((await listTar(file)).includes('./etc/'));
  await withoutLeaks(t, async (scratch) => {
    await using cleanup = new Cleanup();
    const { tree, folders } = await overlaySystem(await openSystem(disk, { scratch, visible: true }, cleanup), true, cleanup);
    t.deepEqual(
      folders.map(({ at }) => at),
      ['/', '/usr'],
      'and so does a live container',
    );
    for (const name of ['bin', 'etc', 'var']) t.true(tree.list('/').includes(name), name);
    t.is(tree.resolve('/bin/sh')?.path, '/usr/bin/sh');
    t.true(tree.isFile('/etc/fstab'), 'the adaptation');
  });
  const dir = tempDir(t, 'user');
  await runOk('chmod', ['a+rwx', dir, join(disk, '..')]);
  await runOk(...conversionByNobody(disk, join(dir, 'layer.tar'), dir));
  t.is(`sha256:${await sha256(join(dir, 'layer.tar'))}`, diffId);
});

test('of two versions of a root the newer one is the system, where the labels say so', async (t) => {
  if (!requireConversion(t)) return;
  const sizeMiB = 8;
  const images = [
    await makeFileSystem(t, makeGuestTree(t, { name: 'Sys 1.10' }), { sizeMiB }),
    await makeFileSystem(t, makeGuestTree(t, { name: 'Sys 1.9' }), { sizeMiB }),
  ];
  const disk = async (...names: string[]): Promise<string> =>
    await makeDisk(
      t,
      images.map((image, i) => ({ image, sizeMiB, type: TYPES.root, name: names[i]! })),
    );
  const { system, notes } = await convertToTar(t, await disk('sys_1.10', 'sys_1.9'));
  t.is(system, 'Sys 1.10');
  t.true(notes.includes('p2 (Sys 1.9) is left out: p1 (Sys 1.10) is the version that is booted'));
  await refused(t, await disk('root-a', 'root-b'), 'usage', /more than one system: p1 \(Sys 1.10\), p2 \(Sys 1.9\)/);
});

/** ostree's way to keep versions: files that are links to a store, a /var for all, and boot loader entries that name a version by a link. */
async function ostreeRoot(
  t: ExecutionContext,
  { entries = true, separateBoot = false }: { entries?: boolean; separateBoot?: boolean } = {},
): Promise<{ root: string; boot: string }> {
  const [root, boot] = [join(tempDir(t, 'ostree'), 'root'), join(tempDir(t, 'boot'), 'boot')];
  const [older, newer] = ['a'.repeat(64), 'b'.repeat(64)];
  const deploy = join(root, 'ostree/deploy/fedora');
  for (const path of [
    'ostree/repo/objects',
    'boot',
    'sysroot',
    'ostree/boot.1.1/fedora/c0ffee',
    'ostree/deploy/fedora/deploy',
    'ostree/deploy/fedora/var/lib/data',
    'ostree/deploy/fedora/var/home',
  ])
    mkdirSync(join(root, path), { recursive: true });
  mkdirSync(boot, { recursive: true });
  for (const [checksum, name] of [
    [older, 'Fedora 39'],
    [newer, 'Fedora 40'],
  ] as const) {
    const tree = makeGuestTree(t, { name, fstab: `UUID=${UUIDS.root} / ext4 defaults 0 1\n` });
    for (const name of ['home', 'var', 'root']) rmSync(join(tree, name), { recursive: true });
    mkdirSync(join(tree, 'var'));
    symlinkSync('var/home', join(tree, 'home'));
    symlinkSync('sysroot/ostree', join(tree, 'ostree'));
    await runOk('cp', ['-a', tree, join(deploy, 'deploy', `${checksum}.0`)]);
  }
  writeFileSync(join(root, 'ostree/repo/objects/aa.file'), 'stored once');
  for (const checksum of [older, newer])
    for (const name of ['one', 'two'])
      linkSync(join(root, 'ostree/repo/objects/aa.file'), join(deploy, 'deploy', `${checksum}.0`, 'usr/lib', name));
  writeFileSync(join(deploy, 'var/lib/data/kept'), 'kept');
  symlinkSync('boot.1.1', join(root, 'ostree/boot.1'));
  [newer, older].forEach((checksum, i) => {
    symlinkSync(`../../../deploy/fedora/deploy/${checksum}.0`, join(root, 'ostree/boot.1.1/fedora/c0ffee', String(i)));
  });
  const loader = join(separateBoot ? boot : join(root, 'boot'), 'loader.1/entries');
  mkdirSync(loader, { recursive: true });
  symlinkSync('loader.1', join(loader, '../../loader'));
  for (const [file, version, serial] of [
    ['ostree-1.conf', 1, 1],
    ['ostree-2.conf', 2, 0],
  ] as const)
    if (entries)
      writeFileSync(
        join(loader, file),
        `title Fedora\nversion ${version}\noptions root=UUID=x rw ostree=/ostree/boot.1/fedora/c0ffee/${serial}\nlinux /ostree/vmlinuz\n`,
      );
  return { root, boot };
}

test('of an ostree system the deployment that boots is the root, with the /var of all of them', async (t) => {
  if (!requireConversion(t, 'root')) return;
  const { root: tree, boot } = await ostreeRoot(t, { separateBoot: true });
  const disk = await makeDisk(t, [
    { image: await makeFileSystem(t, boot, { sizeMiB: 8 }), sizeMiB: 8 },
    { image: await makeFileSystem(t, tree, { sizeMiB: 16, uuid: UUIDS.root }), sizeMiB: 16 },
  ]);
  const digests = new Set<string>();
  for (const options of [...BACKENDS, { backend: 'fuse', root: 'p2:fedora/bbbbbbbbbbbb.0' }] as const) {
    const { root, system, notes, file, diffId } = await convertToTar(t, disk, options);
    digests.add(diffId);
    t.is(root, 'p2:fedora/bbbbbbbbbbbb.0');
    t.is(system, 'Fedora 40');
    t.true(notes.some((line) => line.startsWith('the root is ostree/deploy/fedora/deploy/bbbb')));
    const names = await listTar(file);
    t.is(new Set(names).size, names.length, 'every name once');
    for (const name of ['./', './etc/os-release', './usr/lib/one', './usr/lib/two', './var/lib/data/kept', './var/home/'])
      t.true(names.includes(name), name);
    t.false(names.some((name) => name.startsWith('./ostree/') || name.includes('aa.file')));
    t.is(await readFromTar(file, './usr/lib/one'), 'stored once');
  }
  t.is(digests.size, 1);
  t.is((await convertToTar(t, disk, { root: 'p2:fedora/aaaaaaaaaaaa.0' })).system, 'Fedora 39');
  const { root: silent } = await ostreeRoot(t, { entries: false });
  await refused(
    t,
    await makeFileSystem(t, silent, { sizeMiB: 16 }),
    'usage',
    /more than one system: disk:fedora\/\w+\.0 \(Fedora \d+\), disk:fedora\/\w+\.0 \(Fedora \d+\); say which/,
  );
  // Links in the place of folders lead nowhere.
  await runOk('sh', [
    '-euc',
    'cd "$1/ostree/deploy/fedora"; rm -r deploy; ln -s "$2" deploy',
    'sh',
    silent,
    join(tree, 'ostree/deploy/fedora/deploy'),
  ]);
  await refused(t, await makeFileSystem(t, silent, { sizeMiB: 16 }), 'unsupported', /no operating system/);
});

test('a file system is in the layer once, however often fstab mounts it, and what is not read is said', async (t) => {
  if (!requireConversion(t, 'root')) return;
  const long = 'n'.repeat(5000);
  const tree = makeGuestTree(t, {
    fstab:
      ['/ ext4', '/again ext4', '/again/deep/er ext4', `/${long} ext4`, '/boot/firmware vfat']
        .map((rest) => `UUID=${UUIDS.root} ${rest} defaults 0 0\n`)
        .join('') + `UUID=${UUIDS.var} /data ext4\nUUID=${UUIDS.var} /more ext4\n`,
    files: { 'again/deep/er/x': 'x', 'data/hidden': 'x', 'more/kept': 'x', 'boot/firmware/x': 'x' },
  });
  const disk = await makeDisk(t, [
    { image: await makeFileSystem(t, tree, { uuid: UUIDS.root }), sizeMiB: 48 },
    { image: await makeFileSystem(t, oneFile(t, 'data'), { uuid: UUIDS.var, sizeMiB: 8 }), sizeMiB: 8 },
  ]);
  const { file, notes } = await convertToTar(t, disk);
  const names = await listTar(file);
  for (const [name, count] of [
    ['bin/sh', 1],
    ['data/data', 1],
    ['more/data', 0],
    ['data/hidden', 0],
    ['more/kept', 1],
    ['again/deep/er/x', 1],
  ] as const)
    t.is(names.filter((other) => other.endsWith(`/${name}`)).length, count, name);
  for (const note of [
    /^"\/again" is left out: its file system is at "\/" already/,
    /^"\/more" is left out: its file system is at "\/data" already/,
    /^"\/n{99}…" is left out: there is no folder/,
    /^"\/boot\/firmware" is left out: it is vfat/,
  ])
    t.true(
      notes.some((line) => note.test(line)),
      `${note}: ${notes.join('; ')}`,
    );
});

test('a /usr that is not on the disk is an error', async (t) => {
  if (!requireConversion(t)) return;
  const tree = makeGuestTree(t, { fstab: 'UUID=99999999-0000-0000-0000-000000000000 /usr ext4 defaults 0 2\n' });
  await refused(t, await makeFileSystem(t, tree), 'not-found', /\/usr is missing/);
});

test('of two systems on one disk the user has to choose', async (t) => {
  if (!requireConversion(t)) return;
  const images = [
    await makeFileSystem(t, makeGuestTree(t, { name: 'First 1' })),
    await makeFileSystem(t, makeGuestTree(t, { name: 'Second 2', fstab: '/dev/sda2 / ext4 defaults 0 1\n' })),
  ];
  const disk = await makeDisk(
    t,
    images.map((image) => ({ image, sizeMiB: 48 })),
  );
  await refused(t, disk, 'usage', /more than one system: p2 \(Second 2\), p1 \(First 1\); say which with --root/);
  t.is((await convertToTar(t, disk, { root: 'p1' })).system, 'First 1');
  t.is((await convertToTar(t, disk, { root: 'p2' })).system, 'Second 2');
  await refused(t, disk, 'usage', /no readable root "p7"/, { root: 'p7' });
});

test('an arm64 guest becomes an arm64 image', async (t) => {
  if (!requireConversion(t)) return;
  const shell = Buffer.alloc(128);
  shell.write('\x7fELF\x02\x01\x01', 'latin1');
  shell.writeUInt16LE(183, 18);
  const disk = await makeFileSystem(t, makeGuestTree(t, { files: { 'bin/sh': shell, 'sbin/init': shell } }));
  t.deepEqual((await convertToTar(t, disk)).platform, { os: 'linux', architecture: 'arm64', variant: 'v8' });
});
