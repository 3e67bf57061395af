import type { ByteSource } from '../../../src/convert/header/byte-source.ts';
import { MemorySource } from '../../../src/convert/header/byte-source.ts';
import { DEFAULT_MAX_VIRTUAL_SIZE } from '../../../src/convert/header/disk-header.ts';
import { identifyDisk } from '../../../src/convert/header/identify.ts';
import { parseVmdkDescriptor } from '../../../src/convert/header/vmdk-descriptor.ts';
import { parseVmdkExtent } from '../../../src/convert/header/vmdk.ts';
import { readLogicalVolumes } from '../../../src/convert/lvm/logical-volumes.ts';
import { readPhysicalVolume } from '../../../src/convert/lvm/physical-volume.ts';
import { readPartitionTable } from '../../../src/convert/partition/read-table.ts';
import { readRaidMember } from '../../../src/convert/raid/software-raid.ts';
import * as sample from '../../unit/convert/header/sample-headers.ts';
import { raidSuperblock } from '../../support/raid-superblock.ts';
import { packDisk, SparseDisk } from '../sparse-disk.ts';
import { check, type FuzzTarget } from '../target.ts';
import { gptDisk, lvmVolume, mbrDisk } from './disk-samples.ts';

const LIMITS = { maxVirtualSize: DEFAULT_MAX_VIRTUAL_SIZE };

/** A parser that reads here and there in a disk. */
function disk(name: string, samples: () => readonly Buffer[], parse: (source: ByteSource) => void): FuzzTarget {
  return {
    name,
    limit: 8192,
    seeds: () => samples().map(packDisk),
    run: (input) => {
      parse(new SparseDisk(input));
    },
  };
}

function header(name: string, samples: () => readonly Buffer[]): FuzzTarget {
  return disk(name, samples, (source) => {
    const { virtualSize } = identifyDisk(source, undefined, LIMITS);
    check(virtualSize > 0 && virtualSize <= LIMITS.maxVirtualSize, `a virtual size of ${virtualSize}`);
  });
}

export const diskTargets: readonly FuzzTarget[] = [
  header('qcow2', () => [
    sample.qcow2(),
    sample.qcow2({ version: 2 }),
    sample.qcow2({ clusterBits: 16, virtualSize: 2 ** 30 }),
    sample.qcow2({ extension: { type: 0x6803_f857, data: 'features' } }),
  ]),
  header('vmdk', () => [sample.vmdk(), sample.vmdk({ descriptor: '' }), sample.vmdk({ flags: 0x3_0001 })]),
  header('vdi', () => [sample.vdi()]),
  header('vhd', () => [sample.vhd(), sample.vhd({ type: 2 })]),
  header('vhdx', () => [sample.vhdx(), sample.vhdx({ log: true })]),
  header('other-headers', () => [sample.qcow1(), sample.qed(), sample.parallels(), sample.parallels({ magic: 'WithouFreSpacExt' })]),
  disk(
    'vmdk-extent',
    () => [sample.vmdk({ descriptor: '' })],
    (source) => {
      parseVmdkExtent(source, LIMITS);
    },
  ),
  {
    name: 'vmdk-descriptor',
    seeds: () => [
      sample.VMDK_DESCRIPTOR,
      '# Disk DescriptorFile\nparentCID=ffffffff\nRW 4192256 SPARSE "disk-s001.vmdk"\nRW 2048 FLAT "disk-f001.vmdk" 0\nNOACCESS 8 ZERO\n',
    ],
    run(input) {
      for (const { file, sectors, offset } of parseVmdkDescriptor(input.toString('latin1')))
        check(
          !/[/\\\0]/.test(file) && Number.isSafeInteger(sectors * 512) && Number.isSafeInteger(offset * 512),
          'an extent that leads elsewhere',
        );
    },
  },
  disk(
    'partitions',
    () => [gptDisk(512), gptDisk(4096), mbrDisk()],
    (source) => {
      for (const { number, label } of readPartitionTable(source).partitions)
        check(number > 0 && !(label?.includes('\0') ?? false), 'a partition that none can be');
    },
  ),
  disk(
    'lvm',
    () => [lvmVolume()],
    (source) => {
      const { id, metadata } = readPhysicalVolume(source);
      const { volumes } = readLogicalVolumes([{ id, metadata, volume: 'p1', size: source.size }]);
      for (const { segments } of volumes)
        check(
          segments.every(({ offset, size }) => offset >= 0 && size > 0 && offset + size <= source.size),
          'a segment outside of its volume',
        );
    },
  ),
  disk(
    'raid',
    () =>
      (['1.2', '1.1', '0.90'] as const).map((version) => {
        const bytes = Buffer.alloc(256 * 1024);
        const { at, block } = raidSuperblock(bytes.length, { version });
        block.copy(bytes, at);
        return bytes;
      }),
    (source) => {
      const member = readRaidMember(source);
      if (member !== undefined && 'offset' in member)
        check(member.offset >= 0 && member.size > 0 && member.offset + member.size <= source.size, 'data outside of its member');
    },
  ),
  {
    name: 'lvm-text',
    seeds: () => [lvmVolume().subarray(4608).toString('latin1').split('\0', 1)[0]!],
    run(input) {
      // the id that the text of the seed has
      readLogicalVolumes([{ id: 'A'.repeat(32), metadata: input.toString('utf8'), volume: 'p1', size: 2 ** 30 }]);
    },
  },
  {
    // a real source at its end, where there is no sector to round to
    name: 'short-disks',
    limit: 2048,
    seeds: () => [sample.qcow1().subarray(0, 1500), sample.vmdk().subarray(0, 600), Buffer.from('conectix')],
    run(input) {
      const source = new MemorySource(input);
      readPartitionTable(source);
      readRaidMember(source);
      identifyDisk(source, undefined, LIMITS);
    },
  },
];
