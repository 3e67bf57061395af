import { crc32 } from 'node:zlib';
import { LayerswarmError } from '../../errors.ts';
import { readIfThere, type ByteSource } from '../header/byte-source.ts';
import { u64le } from '../header/disk-header.ts';
import { MAX_PARTITIONS, type Partition, type PartitionTable } from './partition.ts';

/** UEFI specification 2.10, 5.3: GUID Partition Table. */
const SIGNATURE = 'EFI PART';
const MIN_HEADER_BYTES = 92;
const UNUSED = '00000000-0000-0000-0000-000000000000';
const MAX_ENTRY_BYTES = 4096;
/** A misplaced backup is looked for in this much of the disk's end. */
const BACKUP_SEARCH_BYTES = 1024 * 1024;

/**
 * The table of a disk, from its primary header or, where that is damaged, from the backup: at the end of the disk, where the primary
 * says, or near the end (formats that pad the disk, such as VHD, leave it before the end).
 * @param hasProtectiveMbr without one, only a sound primary header counts: old copies of a table may lie around
 */
export function readGpt(disk: ByteSource, hasProtectiveMbr: boolean): PartitionTable | undefined {
  for (const sectorSize of [512, 4096] as const) {
    const table = readTable(disk, sectorSize, sectorSize);
    if (table !== undefined) return table;
  }
  if (!hasProtectiveMbr) return undefined;
  for (const sectorSize of [512, 4096] as const) {
    const end = Math.floor(disk.size / sectorSize) * sectorSize;
    for (let at = end - sectorSize; at > sectorSize && at >= end - BACKUP_SEARCH_BYTES; at -= sectorSize) {
      const table = readTable(disk, at, sectorSize);
      if (table !== undefined) return table;
    }
  }
  throw new LayerswarmError('unsupported', 'the disk has a GPT whose header and backup are both damaged');
}

function readTable(disk: ByteSource, offset: number, sectorSize: 512 | 4096): PartitionTable | undefined {
  const header = readIfThere(disk, offset, sectorSize);
  if (header === undefined || header.toString('latin1', 0, 8) !== SIGNATURE) return undefined;
  const headerBytes = header.readUInt32LE(12);
  if (headerBytes < MIN_HEADER_BYTES || headerBytes > sectorSize) return undefined;
  const summed = Buffer.from(header.subarray(0, headerBytes));
  summed.writeUInt32LE(0, 16);
  if (crc32(summed) !== header.readUInt32LE(16) || u64le(header, 24) * sectorSize !== offset) return undefined;

  const count = header.readUInt32LE(80);
  const entryBytes = header.readUInt32LE(84);
  if (count > 1024 || entryBytes < 128 || entryBytes > MAX_ENTRY_BYTES) return undefined;
  const entries = readIfThere(disk, u64le(header, 72) * sectorSize, count * entryBytes);
  if (entries === undefined || crc32(entries) !== header.readUInt32LE(88)) return undefined;

  const partitions: Partition[] = [];
  for (let i = 0; i < count; i++) {
    const at = i * entryBytes;
    const type = readGuid(entries, at);
    if (type === UNUSED) continue;
    const first = u64le(entries, at + 32);
    const last = u64le(entries, at + 40);
    if (last < first) continue;
    partitions.push({
      number: i + 1,
      offset: first * sectorSize,
      size: (last - first + 1) * sectorSize,
      type,
      uuid: readGuid(entries, at + 16),
      attributes: entries.readBigUInt64LE(at + 48),
      label: entries.toString('utf16le', at + 56, at + 128).split('\0', 1)[0]!,
    });
  }
  if (partitions.length > MAX_PARTITIONS)
    throw new LayerswarmError('too-large', `the disk's GPT has ${partitions.length} partitions, and the limit is ${MAX_PARTITIONS}`);
  return { kind: 'gpt', sectorSize, partitions };
}

function readGuid(bytes: Buffer, at: number): string {
  const hex = (from: number, to: number): string => bytes.toString('hex', at + from, at + to);
  const swapped = (from: number, to: number): string =>
    Buffer.from(bytes.subarray(at + from, at + to))
      .reverse()
      .toString('hex');
  return `${swapped(0, 4)}-${swapped(4, 6)}-${swapped(6, 8)}-${hex(8, 10)}-${hex(10, 16)}`;
}
