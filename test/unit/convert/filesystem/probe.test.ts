import test from 'ava';
import { blkidName } from '../../../../src/convert/filesystem/foreign-volumes.ts';
import { probeVolume } from '../../../../src/convert/filesystem/probe.ts';
import { MemorySource } from '../../../../src/convert/header/byte-source.ts';

function volume(...writes: readonly (readonly [offset: number, bytes: string | Buffer])[]): MemorySource {
  const bytes = Buffer.alloc(256 * 1024);
  for (const [offset, value] of writes) Buffer.from(value as string, 'latin1').copy(bytes, offset);
  return new MemorySource(bytes);
}

const EXT = [1024 + 0x38, '\x53\xef'] as const;

for (const [what, source, expected] of [
  ['LUKS', volume([0, 'LUKS\xba\xbe']), 'LUKS encryption'],
  ['LUKS over an old ext4', volume([0, 'LUKS\xba\xbe'], EXT), 'LUKS encryption'],
  ['BitLocker', volume([3, '-FVE-FS-']), 'BitLocker encryption'],
  ['NTFS', volume([3, 'NTFS    ']), 'NTFS (Windows)'],
  ['swap', volume([4086, 'SWAPSPACE2']), 'swap space'],
  ['FAT', volume([82, 'FAT32']), 'FAT'],
  ['bcachefs', volume([4096 + 24, '\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef']), 'bcachefs'],
  ['bcache', volume([4096 + 24, '\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81']), 'bcache'],
  ['APFS', volume([32, 'NXSB']), 'APFS (Apple)'],
  ['GFS2', volume([65536, '\x01\x16\x19\x70']), 'GFS2'],
  [
    "a firmware RAID's member, by its end",
    volume([256 * 1024 - 1024, 'Intel Raid ISM Cfg Sig. ']),
    'a member of a hardware or firmware RAID',
  ],
  ['a Sun label', volume([508, '\xda\xbe']), 'a Sun disk label'],
  ['software RAID', volume([4096, '\xfc\x4e\x2b\xa9']), 'Linux software RAID'],
] as const) {
  test(`${what} is named`, (t) => {
    t.like(probeVolume(source), { found: 'other', what: expected });
  });
}

test('an ext file system is read with its size, id, label and whether its journal waits', (t) => {
  const block = Buffer.alloc(1024);
  block.writeUInt32LE(100, 4);
  block.writeUInt32LE(2, 0x18);
  block.writeUInt16LE(0xef53, 0x38);
  block.writeUInt32LE(0x84, 0x60);
  block.fill(0x11, 0x68, 0x78);
  block.write('root', 0x78);
  block.writeUInt32LE(1, 0x150);
  t.deepEqual(probeVolume(volume([1024, block])), {
    found: 'filesystem',
    filesystem: { kind: 'ext', uuid: '11111111-1111-1111-1111-111111111111', label: 'root', size: (2 ** 32 + 100) * 4096, dirty: true },
  });
});

test("an ext file system with swap's signature left in it is still ext", (t) => {
  t.like(probeVolume(volume(EXT, [4086, 'SWAPSPACE2'])), { found: 'filesystem' });
});

test('xfs, btrfs, squashfs, erofs and LVM are recognized', (t) => {
  t.like(probeVolume(volume([0, 'XFSB'])), { filesystem: { kind: 'xfs' } });
  t.like(probeVolume(volume([65536 + 64, '_BHRfS_M'])), { filesystem: { kind: 'btrfs' } });
  t.like(probeVolume(volume([0, 'hsqs'], [28, '\x04\0'], [40, '\0\x10'])), { filesystem: { kind: 'squashfs', size: 4096, uuid: '' } });
  t.like(probeVolume(volume([1024, '\xe2\xe1\xf5\xe0'], [1036, '\x0c'], [1060, '\x02'], [1072, '\x11'.repeat(16)])), {
    filesystem: { kind: 'erofs', size: 8192, uuid: '11111111-1111-1111-1111-111111111111' },
  });
  t.is(probeVolume(volume([512, 'LABELONE'], [536, 'LVM2 001'])).found, 'lvm');
});

test('what blkid says is taken for a name, and nothing else', (t) => {
  t.is(blkidName('zfs_member')?.what, 'ZFS');
  t.is(blkidName('isw_raid_member')?.what, 'a member of a hardware or firmware RAID (isw_raid_member)');
  t.is(blkidName('nilfs2')?.what, 'nilfs2');
  for (const hostile of ['\u001b[2J', '', 'x'.repeat(100), 'a b']) t.is(blkidName(hostile), undefined);
  t.is(blkidName('constructor')?.remedy, 'mount');
});

test('nothing known is nothing', (t) => {
  t.is(probeVolume(volume()).found, 'nothing');
  t.is(probeVolume(new MemorySource(Buffer.alloc(3))).found, 'nothing');
});
