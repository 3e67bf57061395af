import test from 'ava';
import * as fc from 'fast-check';
import { crc32 } from 'node:zlib';
import { MemorySource } from '../../../../src/convert/header/byte-source.ts';
import { MAX_PARTITIONS } from '../../../../src/convert/partition/partition.ts';
import { readPartitionTable } from '../../../../src/convert/partition/read-table.ts';
import { LayerswarmError } from '../../../../src/errors.ts';

const LINUX = Buffer.from('af3dc60f838472478e793d69d8477de4', 'hex');

/** Writes a GPT with one partition of sectors 40 to 49. */
function writeGpt(disk: Buffer, sectorSize: number, headerSector: number): void {
  const entries = Buffer.alloc(4 * 128);
  LINUX.copy(entries, 0);
  entries.fill(7, 16, 32);
  entries.writeBigUInt64LE(40n, 32);
  entries.writeBigUInt64LE(49n, 40);
  entries.write('root', 56, 'utf16le');
  const entriesSector = headerSector === 1 ? 2 : headerSector - 1;
  entries.copy(disk, entriesSector * sectorSize);
  const header = Buffer.alloc(92);
  header.write('EFI PART');
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(BigInt(headerSector), 24);
  header.writeBigUInt64LE(BigInt(entriesSector), 72);
  header.writeUInt32LE(4, 80);
  header.writeUInt32LE(128, 84);
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(crc32(header), 16);
  header.copy(disk, headerSector * sectorSize);
}

function writeEntry(disk: Buffer, sector: number, i: number, type: number, start: number, sectors: number): void {
  const at = sector * 512 + 446 + i * 16;
  disk[at + 4] = type;
  disk.writeUInt32LE(start, at + 8);
  disk.writeUInt32LE(sectors, at + 12);
  disk.writeUInt16LE(0xaa55, sector * 512 + 510);
}

for (const sectorSize of [512, 4096] as const) {
  test(`a GPT with sectors of ${sectorSize} bytes is read`, (t) => {
    const disk = Buffer.alloc(64 * sectorSize);
    writeEntry(disk, 0, 0, 0xee, 1, 63);
    writeGpt(disk, sectorSize, 1);
    t.like(readPartitionTable(new MemorySource(disk)), { kind: 'gpt', sectorSize });
    t.like(readPartitionTable(new MemorySource(disk)).partitions[0], { number: 1, offset: 40 * sectorSize, size: 10 * sectorSize, type: '0fc63daf-8483-4772-8e79-3d69d8477de4', label: 'root' });
  });
}

test('a backup GPT is found at the end, and before padding that a disk format added', (t) => {
  for (const padding of [0, 3]) {
    const disk = Buffer.alloc((64 + padding) * 512);
    writeEntry(disk, 0, 0, 0xee, 1, 63);
    writeGpt(disk, 512, 63);
    t.is(readPartitionTable(new MemorySource(disk)).partitions.length, 1);
  }
});

test('a GPT whose two copies are damaged is an error and not an empty disk', (t) => {
  const disk = Buffer.alloc(64 * 512);
  writeEntry(disk, 0, 0, 0xee, 1, 63);
  writeGpt(disk, 512, 1);
  disk[512 + 24] = 9;
  t.is(t.throws(() => readPartitionTable(new MemorySource(disk)), { instanceOf: LayerswarmError })?.code, 'unsupported');
});

test('primary and logical partitions of an MBR are numbered as Linux does', (t) => {
  const disk = Buffer.alloc(200 * 512);
  disk.writeUInt32LE(0xdead_beef, 440);
  writeEntry(disk, 0, 0, 0x83, 10, 5);
  writeEntry(disk, 0, 1, 0x05, 100, 100);
  writeEntry(disk, 100, 0, 0x83, 2, 8);
  writeEntry(disk, 100, 1, 0x05, 20, 20);
  writeEntry(disk, 120, 0, 0x82, 2, 9);
  const { kind, partitions } = readPartitionTable(new MemorySource(disk));
  t.is(kind, 'mbr');
  t.deepEqual(partitions.map(({ number, offset, size, uuid }) => [number, offset / 512, size / 512, uuid]), [
    [1, 10, 5, 'deadbeef-01'], [5, 102, 8, 'deadbeef-05'], [6, 122, 9, 'deadbeef-06'],
  ]);
});

test('a chain of logical partitions that runs in a circle ends', (t) => {
  const disk = Buffer.alloc(200 * 512);
  writeEntry(disk, 0, 0, 0x05, 100, 100);
  writeEntry(disk, 100, 0, 0x83, 2, 8);
  writeEntry(disk, 100, 1, 0x05, 0, 20);
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
  fc.assert(fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), fc.boolean(), (sector, protective) => {
    const disk = Buffer.alloc(64 * 512);
    writeGpt(disk, 512, 1);
    Buffer.from(sector).copy(disk, protective ? 1024 : 0);
    disk.writeUInt16LE(0xaa55, 510);
    try {
      t.true(readPartitionTable(new MemorySource(disk)).partitions.length <= MAX_PARTITIONS + 4);
    } catch (error) {
      if (!(error instanceof LayerswarmError)) throw error;
    }
  }));
  t.pass();
});
