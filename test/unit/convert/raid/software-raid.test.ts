import test from 'ava';
import { MemorySource } from '../../../../src/convert/header/byte-source.ts';
import { readRaidMember, type RaidMember } from '../../../../src/convert/raid/software-raid.ts';
import { raidSuperblock, type RaidSample } from '../../../support/raid-superblock.ts';

const SIZE = 1024 * 1024 + 5 * 512;

function read(sample: RaidSample): RaidMember | undefined {
  const bytes = Buffer.alloc(SIZE);
  const { at, block } = raidSuperblock(SIZE, sample);
  block.copy(bytes, at);
  return readRaidMember(new MemorySource(bytes));
}

for (const version of ['0.90', '1.0', '1.1', '1.2'] as const) {
  test(`one half of a RAID 1 of metadata ${version} is read by itself`, (t) => {
    const offset = version === '0.90' || version === '1.0' ? 0 : 128 * 1024;
    t.deepEqual(read({ version, offset, bytes: 512 * 1024 }), {
      offset,
      size: 512 * 1024,
      level: 1,
      members: 2,
      array: '11223344'.repeat(4),
      events: 7,
    });
    t.like(read({ version, level: 5 }), {
      unreadable:
        'a member of a software RAID 5 of 2 disks, which holds a part of the data: assemble it on a host that you trust (mdadm --assemble --readonly), and convert its device',
    });
    t.regex((read({ version, bytes: 2 * SIZE }) as { unreadable: string }).unreadable, /cut short/);
  });
}

test('a member that has not all data is not read', (t) => {
  t.regex((read({ features: 2 }) as { unreadable: string }).unreadable, /half-rebuilt/);
  t.regex((read({ features: 4 }) as { unreadable: string }).unreadable, /reshaped/);
  t.regex((read({ role: 0xffff }) as { unreadable: string }).unreadable, /spare/);
});

test('a volume without a superblock is no member', (t) => {
  t.is(readRaidMember(new MemorySource(Buffer.alloc(SIZE))), undefined);
  t.is(readRaidMember(new MemorySource(Buffer.alloc(100))), undefined);
});
