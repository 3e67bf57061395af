import test, { type ExecutionContext } from 'ava';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BACKENDS,
  conversionByNobody,
  convertToTar,
  DESCRIBE,
  describeTree,
  listTar,
  readFromTar,
  refused,
  requireConversion,
  sha256,
  unpack,
} from '../../support/conversion.ts';
import { inMounted, makeDisk, makeFileSystem, ODD_THINGS, sparseFile, toFormat, type FileSystemOptions } from '../../support/disk-image.ts';
import { makeGuestTree } from '../../support/guest-tree.ts';
import { run, runOk } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const TOOLS = ['root', 'losetup', 'mkfs.xfs', 'mkfs.btrfs', 'btrfs', 'setfattr', 'setfacl', 'setcap'];

async function oddImage(t: ExecutionContext, options: FileSystemOptions = {}): Promise<string> {
  const image = await makeFileSystem(t, makeGuestTree(t), {
    ...(options.type?.startsWith('ext') !== false && { sizeMiB: 48 }),
    ...options,
  });
  await inMounted(image, options.type ?? 'ext4', ODD_THINGS);
  return image;
}

for (const type of ['ext4', 'ext3', 'ext2', 'xfs', 'btrfs'] as const) {
  test(`a layer of ${type} has everything that the file system has, whatever reads it`, async (t) => {
    if (!requireConversion(t, ...TOOLS)) return;
    const image = await oddImage(t, { type });
    const expected = (await inMounted(image, type, DESCRIBE, [], 'loop,ro')).replaceAll(/^.* \.\/lost\+found\n/gm, '');
    const disk = await toFormat(t, await makeDisk(t, [{ image, sizeMiB: type === 'xfs' ? 320 : type === 'btrfs' ? 128 : 48 }]), 'qcow2');
    const digests = new Set<string>();
    for (const backend of type.startsWith('ext') ? BACKENDS : (['loop', 'raw'] as const)) {
      const converted = await convertToTar(t, disk, { backend, ...(!type.startsWith('ext') && { trust: true }) });
      if (digests.size === 0) t.is(await describeTree(await unpack(t, converted.file)), expected);
      digests.add(converted.diffId);
    }
    t.is(digests.size, 1, 'one digest on every backend');
  });
}

/** Features that change how an ext file system lies on the disk. */
const EXT_LAYOUTS: readonly (readonly string[])[] = [
  ['-O', 'inline_data', '-I', '512'],
  ['-O', 'ea_inode'],
  ['-O', 'bigalloc,^64bit', '-C', '16384'],
  ['-O', 'meta_bg,^resize_inode', '-b', '1024'],
  ['-O', '^extents,^64bit', '-b', '1024'],
  ['-O', '^has_journal,^metadata_csum,^dir_index', '-b', '2048', '-I', '128'],
  ['-O', 'sparse_super2,large_dir'],
];

test('every layout of ext gives the layer that the kernel gives', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  for (const args of EXT_LAYOUTS) {
    const image = await oddImage(t, { args });
    await inMounted(
      image,
      'ext4',
      String.raw`mkdir many; cd many; seq -f 'a-name-that-fills-folders-%g' 1500 | xargs touch; echo x > last; truncate -s 300K holes; printf mid | dd of=holes bs=1 seek=150000 conv=notrunc status=none; printf end >> holes
      dd if=/dev/urandom of=scattered bs=64K count=40 status=none; fallocate -l 100K unwritten 2>&1 || true; ln -s "$(printf 'ü%.0s' $(seq 70))" umlauts; ln last "$(printf 'hard\303\251')"; for i in 1 2 3; do setfattr -n user.n$i -v "$(head -c $((i * 90)) /dev/zero | tr '\0' $i)" last; done || true
      setfattr -n user.big -v "$(head -c 2000 /dev/zero | tr '\0' b)" scattered || true; touch -d '1955-11-05 UTC' old; touch -d '2400-01-01 UTC' late || true; mkdir -p small; echo in > small/a; ln -s short small/b; mknod small/big b 300 70000`,
    );
    const [fuse, loop] = [await convertToTar(t, image, { backend: 'fuse' }), await convertToTar(t, image, { backend: 'loop' })];
    t.is(fuse.diffId, loop.diffId, args.join(' '));
    t.deepEqual(fuse.notes, loop.notes, args.join(' '));
  }
});

for (const [type, program] of [
  ['squashfs', 'mksquashfs'],
  ['erofs', 'mkfs.erofs'],
] as const) {
  test(`a root of ${type} is read as the kernel reads it, and without a mount where that is not trusted`, async (t) => {
    if (!requireConversion(t, ...TOOLS, program)) return;
    const tree = makeGuestTree(t);
    // Neither has ACLs as the kernel keeps them, in every version of its tools.
    await runOk('sh', ['-euc', `cd "$1"; ${ODD_THINGS}setfacl -R -P -b .`, 'sh', tree]);
    const image = join(tempDir(t, 'image'), 'root.img');
    await runOk(program, type === 'squashfs' ? [tree, image, '-quiet', '-no-progress'] : ['-zlz4hc', image, tree]);
    await runOk('truncate', ['--size=%4096', image]);
    const expected = await inMounted(image, type, DESCRIBE, [], 'loop,ro');
    const disk = await toFormat(t, await makeDisk(t, [{ image, sizeMiB: 24 }]), 'qcow2');
    const digests = new Set<string>();
    for (const options of [{ backend: 'loop', trust: true }, { backend: 'fuse' }, { backend: 'raw' }] as const) {
      const converted = await convertToTar(t, disk, options);
      if (digests.size === 0) t.is(await describeTree(await unpack(t, converted.file)), expected);
      digests.add(converted.diffId);
    }
    t.is(digests.size, 1, 'one digest on every backend');
  });
}

test('no name in a squashfs or erofs leads out of the scratch folder, and a plain user is told that it takes root', async (t) => {
  if (!requireConversion(t, ...TOOLS, 'mksquashfs', 'mkfs.erofs')) return;
  const tree = makeGuestTree(t, { files: { XXXpwned: 'x'.repeat(5000) } });
  const dir = tempDir(t, 'user');
  const [erofs, squashfs] = [join(dir, 'erofs.img'), join(dir, 'squashfs.img')];
  await runOk('mkfs.erofs', ['--quiet', '-zlz4hc', erofs, tree]);
  await runOk('mksquashfs', [tree, squashfs, '-quiet', '-no-progress', '-noI', '-noD', '-noF', '-noX']);
  await runOk('chmod', ['-R', 'a+rwX', dir]);
  const asNobody = async (disk: string): Promise<{ code: number | null; stderr: string }> =>
    await run(...conversionByNobody(disk, join(dir, 'layer.tar'), dir));
  for (const [disk, message] of [
    [erofs, /erofs is unpacked with fsck.erofs, and only root may give files their owners: run as root/],
    [squashfs, /squashfs is unpacked with unsquashfs, and only root/],
  ] as const)
    t.regex((await asNobody(disk)).stderr, message);
  for (const [image, message] of [
    [squashfs, /the squashfs file system of disk cannot be read/],
    [erofs, /the erofs file system of disk is damaged: a name/],
  ] as const) {
    const bytes = readFileSync(image);
    bytes.write('../pwned', bytes.lastIndexOf('XXXpwned'), 'latin1');
    writeFileSync(image, bytes);
    await refused(t, image, 'unsupported', message);
  }
});

test('a plain user gets the same layer as root, in every locale and time zone, twice', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  const disk = await toFormat(t, await oddImage(t), 'qcow2');
  const expected = (await convertToTar(t, disk)).diffId;
  const dir = tempDir(t, 'user');
  await runOk('chmod', ['-R', 'a+rwX', dir, join(disk, '..')]);
  for (const [i, env] of [
    { TZ: 'Asia/Kolkata', LC_ALL: 'C.UTF-8' },
    { TZ: 'America/St_Johns', LANG: 'de_DE.UTF-8', TAR_OPTIONS: '--owner=5' },
  ].entries()) {
    const output = join(dir, `layer${i}.tar`);
    await runOk(...conversionByNobody(disk, output, dir, env));
    t.is(`sha256:${await sha256(output)}`, expected);
  }
});

test('xfs and btrfs are not shown to the kernel without --trust', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  for (const type of ['xfs', 'btrfs'] as const) {
    const image = await makeFileSystem(t, makeGuestTree(t), { type });
    for (const backend of [undefined, 'fuse', 'loop', 'raw'] as const)
      await refused(t, image, 'unsupported', new RegExp(`disk: ${type}; .*--trust`), { backend });
  }
});

for (const [type, unreplayed] of [
  ['ext4', 'noload'],
  ['xfs', 'norecovery'],
  ['btrfs', 'rescue=nologreplay'],
] as const) {
  test(`the newest data of ${type} that was not unmounted is there, and the source is as it was`, async (t) => {
    if (!requireConversion(t, ...TOOLS)) return;
    const image = await makeFileSystem(t, makeGuestTree(t), { type });
    const crashed = join(tempDir(t, 'dirty'), 'crashed.raw');
    // The file is copied while it is mounted: what fsync promised is in the journal alone.
    await inMounted(
      image,
      type,
      'sync; mkdir fresh; echo newest > fresh/file; mv etc/os-release etc/moved; cp etc/moved etc/os-release; sync -d fresh/file; sync fresh etc fresh/file etc/os-release; cp --sparse=always "$1" "$2"',
      [image, crashed],
    );
    await inMounted(crashed, type, 'test ! -e fresh/file', [], `loop,ro,${unreplayed}`);
    const before = await sha256(crashed);
    const digests = new Set<string>();
    for (const backend of type === 'ext4' ? BACKENDS : (['loop', 'raw'] as const)) {
      const { file, diffId } = await convertToTar(t, crashed, { backend, ...(type !== 'ext4' && { trust: true }) });
      t.is(await readFromTar(file, './fresh/file'), 'newest\n', backend);
      digests.add(diffId);
    }
    t.is(digests.size, 1);
    t.is(await sha256(crashed), before);
  });
}

test('an ext4 with fast commits that was not unmounted gives one layer, with its newest data', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  const image = await makeFileSystem(t, makeGuestTree(t), { sizeMiB: 64, args: ['-O', 'fast_commit'] });
  const crashed = join(tempDir(t, 'dirty'), 'crashed.raw');
  await inMounted(
    image,
    'ext4',
    'sync; mkdir fresh; echo newest > fresh/file; sync fresh/file; echo more >> fresh/file; sync fresh/file; cp --sparse=always "$1" "$2"',
    [image, crashed],
  );
  const digests = new Set<string>();
  for (const backend of BACKENDS) {
    const { file, diffId } = await convertToTar(t, crashed, { backend });
    t.is(await readFromTar(file, './fresh/file'), 'newest\nmore\n', backend);
    digests.add(diffId);
  }
  t.is(digests.size, 1);
});

test('two disks with one file system id are read at once', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  for (const type of ['ext4', 'xfs', 'btrfs'] as const) {
    const uuid = '11111111-2222-3333-4444-555555555555';
    const images = [
      await makeFileSystem(t, makeGuestTree(t, { name: 'one' }), { type, uuid }),
      await makeFileSystem(t, makeGuestTree(t, { name: 'two' }), { type, uuid }),
    ];
    const converted = await Promise.all(images.map((image) => convertToTar(t, image, { trust: true })));
    t.deepEqual(
      converted.map(({ system }) => system),
      ['one', 'two'],
    );
  }
});

const SUBVOLUMES = 'btrfs -q subvolume create @; btrfs -q subvolume create @home; cp -a "$1"/. @; echo mine > @home/file; ';

test('a btrfs gives the subvolumes that fstab names, and no snapshot', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  const uuid = '11111111-2222-3333-4444-666666666666';
  const tree = makeGuestTree(t, { fstab: `UUID=${uuid} / btrfs subvol=@ 0 0\nUUID=${uuid} /home btrfs subvol=/@home 0 0\n` });
  const image = await makeFileSystem(t, undefined, { type: 'btrfs', uuid });
  await inMounted(
    image,
    'btrfs',
    `${SUBVOLUMES} btrfs -q subvolume create @/var/nested; echo deep > @/var/nested/file; btrfs -q subvolume snapshot -r @ @/snapshot; btrfs -q subvolume snapshot @ writable`,
    [tree],
  );
  const { root, file, notes } = await convertToTar(t, image, { trust: true });
  t.is(root, 'disk:@');
  t.is(await readFromTar(file, './home/file'), 'mine\n');
  t.is(await readFromTar(file, './var/nested/file'), 'deep\n');
  const names = await listTar(file);
  t.false(names.some((name) => name.startsWith('./snapshot')));
  t.is(names.filter((name) => name === './home/').length, 1);
  t.true(
    notes.some((line) =>
      /^disk: left out 1 read-only snapshot: "@\/snapshot" of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; --root disk:NAME takes one$/.test(line),
    ),
    notes.join('; '),
  );
  t.is((await convertToTar(t, image, { trust: true, root: 'disk:@/snapshot' })).root, 'disk:@/snapshot');
  t.is((await convertToTar(t, image, { trust: true, root: 'disk:writable' })).root, 'disk:writable');
});

test('a btrfs that is spread over several devices is refused in words', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  const [image, second] = [
    sparseFile(join(tempDir(t, 'b'), 'b'), 128 * 1024 * 1024),
    sparseFile(join(tempDir(t, 'b'), 'b'), 128 * 1024 * 1024),
  ];
  await runOk('mkfs.btrfs', ['-q', '-m', 'single', image, second]);
  await refused(
    t,
    image,
    'unsupported',
    /^the btrfs file system of disk is spread over 2 devices, which are not put together here: mount it/,
  );
});

test('a default subvolume other than the top level is the root', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  const image = await makeFileSystem(t, undefined, { type: 'btrfs' });
  await inMounted(image, 'btrfs', `${SUBVOLUMES} btrfs subvolume set-default @ >/dev/null; btrfs -q subvolume snapshot @ old`, [
    makeGuestTree(t),
  ]);
  t.is((await convertToTar(t, image, { trust: true })).root, 'disk:@');
});

test('of a root that snapper keeps snapshots of, only the root is packed, and once', async (t) => {
  if (!requireConversion(t, ...TOOLS)) return;
  const uuid = '11111111-2222-3333-4444-777777777777';
  const tree = makeGuestTree(t, {
    fstab: `UUID=${uuid} / btrfs defaults 0 0\n${['.snapshots', 'var', 'home'].map((name) => `UUID=${uuid} /${name} btrfs subvol=/@/${name} 0 0\n`).join('')}`,
  });
  const image = await makeFileSystem(t, undefined, { type: 'btrfs', uuid });
  // As openSUSE lays it out: the root is the first snapshot; 3 was the root before a rollback, and so is no snapshot of what is it now.
  await inMounted(
    image,
    'btrfs',
    `for name in @ @/var @/home @/.snapshots; do btrfs -q subvolume create $name; done
    mkdir @/.snapshots/1 @/.snapshots/2 @/.snapshots/3 @/.snapshots/4; btrfs -q subvolume create @/.snapshots/1/snapshot; cp -a "$1"/. @/.snapshots/1/snapshot; mkdir @/.snapshots/1/snapshot/.snapshots
    echo info > @/.snapshots/2/info.xml; btrfs -q subvolume snapshot -r @/.snapshots/1/snapshot @/.snapshots/2/snapshot; btrfs -q subvolume snapshot @/.snapshots/1/snapshot @/.snapshots/4/snapshot
    btrfs -q subvolume snapshot @/.snapshots/2/snapshot @/.snapshots/3/snapshot; btrfs -q subvolume create @/var/live; echo live > @/var/live/file; echo mine > @/home/file
    btrfs subvolume set-default @/.snapshots/1/snapshot >/dev/null`,
    [tree],
  );
  const { root, file, notes } = await convertToTar(t, image, { trust: true });
  t.is(root, 'disk:@/.snapshots/1/snapshot');
  const names = await listTar(file);
  t.is(names.filter((name) => name.endsWith('/etc/os-release')).length, 1);
  t.deepEqual(names.filter((name) => name.startsWith('./.snapshots/')).sort(), [
    './.snapshots/',
    './.snapshots/1/',
    './.snapshots/2/',
    './.snapshots/2/info.xml',
    './.snapshots/3/',
    './.snapshots/4/',
  ]);
  for (const name of ['./home/file', './var/live/file']) t.is(names.filter((other) => other === name).length, 1, name);
  for (const note of [
    /"\/.snapshots\/1\/snapshot": it is in the layer already/,
    /"\/.snapshots\/2\/snapshot": a read-only snapshot/,
    /"\/.snapshots\/3\/snapshot": a snapshot/,
    /"\/.snapshots\/4\/snapshot": a snapshot/,
  ])
    t.true(
      notes.some((line) => note.test(line)),
      `${note}: ${notes.join('; ')}`,
    );
});
