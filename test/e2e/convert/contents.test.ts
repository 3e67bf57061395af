import test from 'ava';
import { mkdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { convertDisk } from '../../../src/convert/convert.ts';
import {
  convertToTar,
  describeTree,
  listTar,
  readFromTar,
  refused,
  requireConversion,
  unpack,
  withoutLeaks,
} from '../../support/conversion.ts';
import { inMounted, makeFileSystem } from '../../support/disk-image.ts';
import { makeGuestTree } from '../../support/guest-tree.ts';
import { run, runOk } from '../../support/process.ts';
import { requireTool } from '../../support/require-tool.ts';
import { tempDir } from '../../support/temp-dir.ts';

const PRIVATE = {
  'etc/ssh/ssh_host_ed25519_key': 'secret',
  'etc/ssh/sshd_config': 'Port 22',
  'etc/machine-id': 'abc',
  'var/lib/cloud/instance/user-data': 'secret',
  'var/lib/dbus/machine-id': 'abc',
  'boot/vmlinuz-1': 'k',
  'boot/grub/grub.cfg': 'g',
  'usr/lib/modules/1/a.ko': 'm',
  'lib/firmware/f': 'f',
  'var/lib/apt/lists/x': 'l',
  'var/cache/apt/archives/a.deb': 'd',
};

test('kernel, modules, firmware and caches are left out, and keys and identity never published, unless asked for', async (t) => {
  if (!requireConversion(t)) return;
  const disk = await makeFileSystem(t, makeGuestTree(t, { files: PRIVATE }));
  const names = await listTar((await convertToTar(t, disk)).file);
  t.true(names.includes('./etc/ssh/sshd_config') && names.includes('./usr/lib/modules/'));
  for (const path of Object.keys(PRIVATE).filter((path) => !path.endsWith('sshd_config'))) t.false(names.includes(`./${path}`), path);
  const kept = await listTar(
    (
      await convertToTar(t, disk, {
        keep: new Set(['kernel', 'modules', 'firmware', 'caches', 'ssh-host-keys', 'machine-id', 'cloud-init']),
        exclude: ['/var/lib/dbus'],
      })
    ).file,
  );
  for (const path of Object.keys(PRIVATE)) t.is(kept.includes(`./${path}`), !path.includes('dbus'), path);
});

test('names that mean "deleted", devices 0:0, sockets, swap files and times before 1970 are dealt with, and said', async (t) => {
  if (!requireConversion(t, 'root', 'mkswap')) return;
  const image = await makeFileSystem(t, makeGuestTree(t, { fstab: '/swapfile none swap sw 0 0\n/dev/sdb1 none swap sw 0 0\n' }), {
    sizeMiB: 64,
  });
  await inMounted(
    image,
    'ext4',
    `
    truncate -s 5M swapfile; mkswap swapfile >/dev/null; printf x > "$(printf 'swap\\nfile')"
    printf x > etc/.wh.passwd; mkdir .wh..wh..opq; printf x > .wh..wh..opq/in
    mknod whiteout c 0 0; ln whiteout whiteout2; mknod dev/null c 1 3; printf x > zlast; touch -d '1955-11-05 UTC' old; touch -d '2445-01-01 UTC' future; printf x > 'café[1]?'; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")' || perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "sock", Listen => 1)'`,
  );
  const digests = new Set<string>();
  for (const backend of ['fuse', 'loop'] as const) {
    const { file, notes, diffId } = await convertToTar(t, image, { backend, exclude: ['/café[1]?'] });
    digests.add(diffId);
    const names = await listTar(file);
    for (const name of [
      './swapfile',
      './etc/.wh.passwd',
      './.wh..wh..opq/',
      './.wh..wh..opq/in',
      './whiteout',
      './whiteout2',
      './sock',
      './café[1]?',
    ])
      t.false(names.includes(name), name);
    for (const name of ['./dev/null', './zlast', './swap\nfile', './old']) t.true(names.includes(name), name);
    for (const note of [
      /swap file "\/swapfile"/,
      /2 files whose names begin with \.wh\./,
      /2 character devices 0:0/,
      /1 files were modified before 1970/,
      /1 files were modified after 2242/,
      /1 sockets/,
    ])
      t.true(
        notes.some((line) => note.test(line)),
        String(note),
      );
    const { stdout } = await runOk('tar', ['--list', '--verbose', '--full-time', '--utc', `--file=${file}`, './old']);
    t.regex(stdout, /1970-01-01 00:00:00/);
    t.regex(
      (await runOk('tar', ['--list', '--verbose', '--full-time', '--utc', `--file=${file}`, './future'])).stdout,
      /2242-03-16 12:56:31/,
    );
    if (backend === 'fuse')
      t.true((await listTar((await convertToTar(t, image, { keep: new Set(['swap']) })).file)).includes('./swapfile'));
  }
  t.is(digests.size, 1);
});

test('a sparse file is said, and one that would fill the disk refused by name', async (t) => {
  if (!requireConversion(t)) return;
  const tree = makeGuestTree(t);
  await runOk('truncate', ['--size=80M', join(tree, 'var/log/lastlog')]);
  const small = await convertToTar(t, await makeFileSystem(t, tree));
  t.true(small.notes.some((line) => line.includes('"/var/log/lastlog" is sparse')));
  t.true(small.layers[0]!.diffSize > 80 * 1024 * 1024);
  await runOk('truncate', ['--size=1T', join(tree, 'var/log/lastlog')]);
  const disk = await makeFileSystem(t, tree);
  await refused(t, disk, 'too-large', /"\/var\/log\/lastlog".*--exclude/);
  t.true((await convertToTar(t, disk, { exclude: ['/var/log/lastlog'] })).layers[0]!.diffSize < 10 * 1024 * 1024);
});

test('an image has the system in one layer and the adaptation on top, and is the same today and tomorrow', async (t) => {
  if (!requireConversion(t, 'skopeo')) return;
  const tree = makeGuestTree(t, { files: { 'usr/lib/systemd/systemd': 'x', 'etc/systemd/system/own.service': 'x' } });
  await runOk('chmod', ['0700', join(tree, 'etc/systemd')]);
  await runOk('chmod', ['1777', join(tree, 'etc/systemd/system')]);
  utimesSync(join(tree, 'etc'), 5000, 5000);
  const disk = await makeFileSystem(t, tree);
  const dir = tempDir(t, 'img');
  const convert = (file: string, options = {}): ReturnType<typeof convertDisk> =>
    withoutLeaks(t, (scratch) => convertDisk(disk, { kind: 'archive', file: join(dir, file) }, { scratch, ...options }));
  const first = await convert('a.tar', { name: 'team/os:1' });
  await convert('b.tar', { name: 'team/os:1', backend: 'raw' });
  t.true(readFileSync(join(dir, 'a.tar')).equals(readFileSync(join(dir, 'b.tar'))));
  const dated = await convert('c.tar', { sourceDateEpoch: '1700000000', compression: 'zstd' });
  t.is(dated.layers[0]!.diffId.toString(), first.layers[0]!.diffId.toString());
  const config = JSON.parse((await runOk('skopeo', ['inspect', '--config', `oci-archive:${join(dir, 'c.tar')}`])).stdout) as {
    created: string;
    config: { Cmd: string[]; StopSignal: string };
  };
  t.like(config, { created: '2023-11-14T22:13:20Z', config: { Cmd: ['/sbin/init'], StopSignal: 'SIGRTMIN+3' } });
  const manifest = JSON.parse((await runOk('skopeo', ['inspect', '--raw', `oci-archive:${join(dir, 'a.tar')}`])).stdout) as {
    annotations: Record<string, string>;
    layers: { digest: string }[];
  };
  t.regex(manifest.annotations['io.layerswarm.disk.digest'] ?? '', /^sha256:/);
  t.regex(manifest.annotations['io.layerswarm.compressor'] ?? '', /gzip/);
  t.is(manifest.layers.length, 2);

  if (!requireTool(t, 'umoci', 'root')) return;
  // Unpacked by another tool, layer upon layer: folders keep their modes.
  mkdirSync(join(dir, 'layout'));
  await runOk('tar', ['--extract', `--directory=${join(dir, 'layout')}`, `--file=${join(dir, 'a.tar')}`]);
  await runOk('umoci', ['unpack', '--image', `${join(dir, 'layout')}:latest`, join(dir, 'bundle')]);
  const { stdout } = await runOk('sh', [
    '-c',
    'cd "$1" && stat -c "%a %Y" etc/systemd etc/systemd/system tmp root && stat -c %Y etc && readlink etc/systemd/system/tmp.mount && cat etc/fstab && stat -c %s etc/machine-id',
    'sh',
    join(dir, 'bundle/rootfs'),
  ]);
  t.regex(stdout, /^700 \d+\n1777 \d+\n1777 \d+\n700 \d+\n5000\n\/dev\/null\n# .*\n0\n$/);
});

const PACKAGES = {
  'var/lib/dpkg/info/big.list':
    '/.\n/usr\n/usr/lib\n/usr/lib/big\n/usr/lib/big/data\n/usr/lib/big/open\n/usr/lib/big/open/file\n/usr/lib/big/[odd*]\n/usr/bin\n/usr/bin/one\n/usr/bin/two\n/etc/big.conf\n',
  'var/lib/dpkg/info/small.list': '/lib/small\n/lib/small/file\n/lib/small/torn\n/usr/share/gone\n',
  'usr/lib/big/data': Buffer.alloc(2_000_000, 'data '),
  'usr/lib/big/open/file': 'x',
  'usr/lib/big/[odd*]': 'x',
  'usr/bin/one': 'linked',
  'usr/lib/small/file': 'x',
  'usr/lib/small/torn': 'x',
  'usr/lib/unknown': 'x',
};

test('split layers keep the modes of 0700 and 1777 folders and whole sets of hard links, and another system shares them', async (t) => {
  if (!requireConversion(t, 'root', 'umoci')) return;
  const makeTree = async (changed: string): Promise<string> => {
    const tree = makeGuestTree(t, { files: { ...PACKAGES, 'etc/big.conf': changed } });
    await runOk('sh', [
      '-euc',
      `cd "$1"; ln -s usr/lib lib; ln usr/bin/one usr/bin/two; ln usr/lib/small/torn etc/torn; chown -R 0:0 .; chown 12:34 usr/lib/big; chmod 0700 usr/lib/big; chmod 1777 usr/lib/big/open; chmod 4755 usr/bin/one
      find . -exec touch -h -d @1600000000 {} +`,
      'sh',
      tree,
    ]);
    return tree;
  };
  const tree = await makeTree('one');
  const dir = tempDir(t, 'img');
  const convert = async (disk: string, tag: string, options = {}): ReturnType<typeof convertDisk> =>
    await withoutLeaks(t, (scratch) =>
      convertDisk(disk, { kind: 'layout', dir: join(dir, 'layout'), tag }, { scratch, adapt: false, ...options }),
    );
  const disk = await makeFileSystem(t, tree);
  await convert(disk, 'whole');
  const split = await convert(disk, 'split', { split: 'packages' });
  t.is(split.layers.length, 3);
  for (const tag of ['whole', 'split']) await runOk('umoci', ['unpack', '--image', `${join(dir, 'layout')}:${tag}`, join(dir, tag)]);
  const unpacked = await describeTree(join(dir, 'split/rootfs'));
  t.is(unpacked, await describeTree(join(dir, 'whole/rootfs')));
  t.regex(unpacked, /^d 700 12 34 .* \.\/usr\/lib\/big$/m);
  t.regex(unpacked, /^d 1777 0 0 .* \.\/usr\/lib\/big\/open$/m);
  t.is(unpacked.match(/^f 4755 0 0 6 2 .* \.\/usr\/bin\/(one|two)$/gm)?.length, 2);
  t.is(unpacked.match(/^f .* 2 \S+  \.\/(usr\/lib\/small|etc)\/torn$/gm)?.length, 2);

  const blob = (i: number): string => join(dir, 'layout/blobs/sha256', split.layers[i]!.digest.hex);
  t.deepEqual(await listTar(blob(0)), [
    './usr/bin/one',
    './usr/bin/two',
    './usr/lib/big/[odd*]',
    './usr/lib/big/data',
    './usr/lib/big/open/file',
  ]);
  t.deepEqual(await listTar(blob(1)), ['./usr/lib/small/file']);
  for (const name of ['./usr/lib/big/', './usr/lib/big/open/', './etc/big.conf', './usr/lib/unknown', './usr/lib/small/torn', './etc/torn'])
    t.true((await listTar(blob(2))).includes(name), name);
  const other = await convert(await makeFileSystem(t, await makeTree('another')), 'other', { split: 'packages' });
  t.deepEqual(
    other.layers.map(({ digest }, i) => digest.equals(split.layers[i]!.digest)),
    [true, true, false],
  );
  const error = await t.throwsAsync(convertToTar(t, disk, { split: 'packages' }));
  t.regex(error?.message ?? '', /leave out --split/);
  t.true(
    (await convert(await makeFileSystem(t, makeGuestTree(t)), 'none', { split: 'packages' })).notes.some((line) =>
      line.includes('no dpkg database'),
    ),
  );
});

test('--no-adapt leaves one layer, and another image of a layout stays', async (t) => {
  if (!requireConversion(t, 'skopeo')) return;
  const disk = await makeFileSystem(t, makeGuestTree(t));
  const dir = join(tempDir(t, 'img'), 'layout');
  const plain = await convertDisk(disk, { kind: 'layout', dir, tag: 'plain' }, { adapt: false });
  t.is(plain.layers.length, 1);
  await convertDisk(disk, { kind: 'layout', dir, tag: 'adapted' });
  for (const tag of ['plain', 'adapted']) t.is((await run('skopeo', ['inspect', `oci:${dir}:${tag}`])).code, 0);
  t.true(readFileSync(join(dir, 'manifest.json'), 'utf8').includes('RepoTags'));
  rmSync(join(dir, 'oci-layout'));
  const error = await t.throwsAsync(convertDisk(disk, { kind: 'layout', dir }));
  t.regex(error?.message ?? '', /no OCI layout/);
});

test('compressed layers unpack to the same tar', async (t) => {
  if (!requireConversion(t, 'zstd')) return;
  const disk = await makeFileSystem(t, makeGuestTree(t, { files: { big: Buffer.alloc(9_000_000, 'some text ') } }), { sizeMiB: 24 });
  const plain = await convertToTar(t, disk);
  for (const [compression, program] of [
    ['gzip', 'gzip'],
    ['zstd', 'zstd'],
  ] as const) {
    const { file, diffId } = await convertToTar(t, disk, { compression });
    t.is(diffId, plain.diffId);
    t.is((await run('sh', ['-c', `${program} -dc "$1" | cmp - "$2"`, 'sh', file, plain.file])).code, 0, program);
  }
  t.is(await readFromTar(plain.file, './etc/os-release'), 'PRETTY_NAME="Tiny Linux 1"\n');
  if (!requireTool(t, 'root')) return;
  t.truthy(await unpack(t, plain.file));
});
