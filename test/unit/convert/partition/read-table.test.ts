import test from 'ava';
import * as fc from 'fast-check';
import { MemorySource } from '../../../../src/convert/header/byte-source.ts';
import { MAX_PARTITIONS } from '../../../../src/convert/partition/partition.ts';
import { readPartitionTable } from '../../../../src/convert/partition/read-table.ts';
import { LayerswarmError } from '../../../../src/errors.ts';
import { writeGpt, writeMbr, writeMbrEntry } from '../../../support/partition-table.ts';

for (const sectorSize of [512, 4096] as const) {
  test(`a GPT with sectors of ${sectorSize} bytes is read`, (t) => {
    const disk = Buffer.alloc(64 * sectorSize);
    writeMbrEntry(disk, 0, 0, 0xee, 1, 63);
    writeGpt(disk, sectorSize, 1);
    t.like(readPartitionTable(new MemorySource(disk)), { kind: 'gpt', sectorSize });
    t.like(readPartitionTable(new MemorySource(disk)).partitions[0], {
      number: 1,
      offset: 40 * sectorSize,
      size: 10 * sectorSize,
      type: '0fc63daf-8483-4772-8e79-3d69d8477de4',
      label: 'root',
    });
  });
}

test('a backup GPT is found at the end, and before padding that a disk format added', (t) => {
  for (const padding of [0, 3]) {
    const disk = Buffer.alloc((64 + padding) * 512);
    writeMbrEntry(disk, 0, 0, 0xee, 1, 63);
    writeGpt(disk, 512, 63);
    t.is(readPartitionTable(new MemorySource(disk)).partitions.length, 1);
  }
});

test('a GPT whose two copies are damaged is an error and not an empty disk', (t) => {
  const disk = Buffer.alloc(64 * 512);
  writeMbrEntry(disk, 0, 0, 0xee, 1, 63);
  writeGpt(disk, 512, 1);
  disk[512 + 24] = 9;
  t.is(t.throws(() => readPartitionTable(new MemorySource(disk)), { instanceOf: LayerswarmError })?.code, 'unsupported');
});

test('primary and logical partitions of an MBR are numbered as Linux does', (t) => {
  const disk = Buffer.alloc(200 * 512);
  disk.writeUInt32LE(0xdead_beef, 440);
  writeMbr(disk);
  const { kind, partitions } = readPartitionTable(new MemorySource(disk));
  t.is(kind, 'mbr');
  t.deepEqual(
    partitions.map(({ number, offset, size, uuid }) => [number, offset / 512, size / 512, uuid]),
    [
      [1, 10, 5, 'deadbeef-01'],
      [5, 102, 8, 'deadbeef-05'],
      [6, 122, 9, 'deadbeef-06'],
    ],
  );
});

test('a chain of logical partitions that runs in a circle ends', (t) => {
  const disk = Buffer.alloc(200 * 512);
  writeMbrEntry(disk, 0, 0, 0x05, 100, 100);
  writeMbrEntry(disk, 100, 0, 0x83, 2, 8);
  writeMbrEntry(disk, 100, 1, 0x05, 0, 20);
  t.is(readPartitionTable(new MemorySource(disk)).partitions.length, 1);
});

test('a disk without a table is one volume', (t) => {
  t.is(readPartitionTable(new MemorySource(Buffer.alloc(4096))).kind, 'none');
  t.is(readPartitionTable(new MemorySource(Buffer.alloc(100))).kind, 'none');
});

test('the boot code of a file system is not taken for a table', (t) => {
  const disk = Buffer.alloc(4096);
  disk.fill(0x90, 446, 510);
  disk.writeUInt16LE(0xaa55, 510);
  t.is(readPartitionTable(new MemorySource(disk)).kind, 'none');
});

test('any bytes are a table within the limits, or refused', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), fc.boolean(), (sector, protective) => {
      const disk = Buffer.alloc(64 * 512);
      writeGpt(disk, 512, 1);
      Buffer.from(sector).copy(disk, protective ? 1024 : 0);
      disk.writeUInt16LE(0xaa55, 510);
      try {
        t.true(readPartitionTable(new MemorySource(disk)).partitions.length <= MAX_PARTITIONS + 4);
      } catch (error) {
        if (!(error instanceof LayerswarmError)) throw error;
      }
    }),
  );
  t.pass();
});
