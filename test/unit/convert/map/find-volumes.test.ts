import test from 'ava';
import { MemorySource } from '../../../../src/convert/header/byte-source.ts';
import { findVolumes, type DiskImage } from '../../../../src/convert/map/find-volumes.ts';
import { raidSuperblock } from '../../../support/raid-superblock.ts';

const SIZE = 1024 * 1024;
const OFFSET = 128 * 1024;

function mirror(events: number): DiskImage {
  const bytes = Buffer.alloc(SIZE);
  const { at, block } = raidSuperblock(SIZE, { offset: OFFSET, bytes: 512 * 1024, events });
  block.copy(bytes, at);
  return { source: new MemorySource(bytes), sectorSize: undefined };
}

test('of the mirrors of a RAID 1 the one that was written last is read', (t) => {
  const place = { name: 'disk2', diskNumber: 1, extents: [{ disk: 1, offset: OFFSET, size: 512 * 1024 }] };
  t.deepEqual(findVolumes([mirror(3), mirror(9)]), {
    volumes: [place],
    unreadable: [],
    warnings: ['disk is left out: disk2 is a mirror of the same RAID 1, and newer'],
  });
  t.deepEqual(findVolumes([mirror(4), mirror(4)]).warnings, ['disk2 is left out: disk is a mirror of the same RAID 1']);
});

test('a further disk whose table is damaged does not hide the first', (t) => {
  const damaged = Buffer.alloc(SIZE);
  damaged.set([0, 0, 0, 0, 0xee, 0, 0, 0, 1, 0, 0, 0, 0xff, 7, 0, 0], 446);
  damaged.writeUInt16LE(0xaa55, 510);
  const [first, second] = [
    { source: new MemorySource(Buffer.alloc(SIZE)), sectorSize: undefined },
    { source: new MemorySource(damaged), sectorSize: undefined },
  ];
  const { volumes, unreadable } = findVolumes([first, second]);
  t.deepEqual(
    volumes.map(({ name }) => name),
    ['disk'],
  );
  t.deepEqual(unreadable, ['disk2: the disk has a GPT whose header and backup are both damaged']);
  t.throws(() => findVolumes([second, first]), { message: /both damaged/ });
});
