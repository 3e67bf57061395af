import test from 'ava';
import { parseElf } from '../../../../src/convert/root/architecture.ts';
import { score, type Evidence } from '../../../../src/convert/root/evidence.ts';
import { meansVolume, mountOption, parseFstab } from '../../../../src/convert/root/fstab.ts';
import { parseOsRelease, systemName } from '../../../../src/convert/root/os-release.ts';
import type { FileSystem } from '../../../../src/convert/filesystem/probe.ts';
import type { Volume } from '../../../../src/convert/map/volume.ts';

const FILESYSTEM: FileSystem = { kind: 'ext', uuid: '1234abcd-0000-0000-0000-000000000000', label: 'root fs', size: 1, dirty: false };
const PARTITION: Volume = {
  name: 'p2',
  file: '',
  offset: 0,
  size: 1,
  partition: { number: 2, offset: 0, size: 1, type: '', uuid: 'deadbeef-02', label: 'system' },
};
const LOGICAL: Volume = { name: 'my-vg/a-b', file: '', offset: 0, size: 1, logical: { group: 'my-vg', groupId: 'x', name: 'a-b' } };

for (const [spec, volume, expected] of [
  ['UUID=1234ABCD-0000-0000-0000-000000000000', PARTITION, true],
  ['UUID="1234abcd-0000-0000-0000-000000000000"', PARTITION, true],
  ['/dev/disk/by-uuid/1234abcd-0000-0000-0000-000000000000', PARTITION, true],
  ['UUID=ffff', PARTITION, false],
  ['LABEL=root fs', PARTITION, true],
  ['PARTUUID=DEADBEEF-02', PARTITION, true],
  ['PARTLABEL=system', PARTITION, true],
  ['/dev/sda2', PARTITION, true],
  ['/dev/vdb2', PARTITION, true],
  ['/dev/nvme0n1p2', PARTITION, true],
  ['/dev/sda1', PARTITION, false],
  ['/dev/my-vg/a-b', LOGICAL, true],
  ['/dev/mapper/my--vg-a--b', LOGICAL, true],
  ['/dev/mapper/my-vg-a-b', LOGICAL, false],
  ['/dev/sda2', LOGICAL, false],
] as const) {
  test(`fstab's ${spec} ${expected ? 'means' : 'does not mean'} ${volume.name}`, (t) => {
    t.is(meansVolume(spec, volume, FILESYSTEM), expected);
  });
}

test('fstab is read with comments, escapes and missing fields', (t) => {
  const entries = parseFstab('# x\n\nUUID=1 / ext4\nLABEL=a\\040b /mnt/my\\040disk btrfs defaults,subvol=/@home 0 2\nbroken\n');
  t.deepEqual(
    entries.map(({ spec, file }) => [spec, file]),
    [
      ['UUID=1', '/'],
      ['LABEL=a b', '/mnt/my disk'],
    ],
  );
  t.is(mountOption(entries[1]!, 'subvol'), '/@home');
  t.is(mountOption(entries[0]!, 'subvol'), undefined);
});

test('os-release is read without expanding anything, and without control characters', (t) => {
  t.is(systemName('NAME=x\nPRETTY_NAME="Debian $HOME \\"12\\"\u001b[31m"\n'), 'Debian $HOME "12"[31m');
  t.is(systemName(undefined), 'Linux');
  t.is(parseOsRelease("__proto__=1\nID='a'")['ID'], 'a');
});

test('the machine of an ELF header becomes the platform', (t) => {
  const elf = (machine: number, bits: number, order: number): Buffer => {
    const header = Buffer.alloc(64);
    header.write('\x7fELF', 'latin1');
    header[4] = bits;
    header[5] = order;
    if (order === 1) header.writeUInt16LE(machine, 18);
    else header.writeUInt16BE(machine, 18);
    return header;
  };
  t.deepEqual(parseElf(elf(62, 2, 1)), { os: 'linux', architecture: 'amd64' });
  t.deepEqual(parseElf(elf(183, 2, 1)), { os: 'linux', architecture: 'arm64', variant: 'v8' });
  t.deepEqual(parseElf(elf(22, 2, 2)), { os: 'linux', architecture: 's390x' });
  t.is(parseElf(elf(999, 2, 1)), undefined);
  t.is(parseElf(Buffer.from('#!/bin/sh')), undefined);
});

test('a root scores above data, and one that names itself above a copy', (t) => {
  const nothing: Evidence = {
    osRelease: undefined,
    hasInit: false,
    hasShell: false,
    fstab: [],
    namesItself: false,
    role: undefined,
    hasEtc: false,
    isOnlyUsr: false,
    folders: 0,
  };
  const system: Evidence = { ...nothing, osRelease: 'ID=x', hasInit: true, hasShell: true, hasEtc: true, folders: 7 };
  t.is(score(nothing), 0);
  t.is(score({ ...nothing, folders: 7 }), 0);
  t.true(score(system) > 0);
  t.true(score({ ...system, namesItself: true }) > score(system));
  t.true(
    score({ ...nothing, hasEtc: true, folders: 3, fstab: [{ spec: '/dev/sda1', file: '/', type: 'ext4', options: [] }] }) > 0,
    'a root whose /usr is elsewhere',
  );
  t.true(score({ ...nothing, hasEtc: true, folders: 1, role: 'root' }) > 0, 'a root by its type, whose /usr is elsewhere');
  t.is(score({ ...nothing, hasInit: true, hasShell: true, isOnlyUsr: true }), 0, 'a /usr');
  for (const role of ['usr', 'home', 'srv', 'var'] as const) t.is(score({ ...system, role }), 0, role);
});
