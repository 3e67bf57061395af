import { readIfThere, type ByteSource } from '../header/byte-source.ts';
import { MAX_PARTITIONS, type Partition, type PartitionTable } from './partition.ts';

const TABLE_OFFSET = 446;
const ENTRY_BYTES = 16;
const EXTENDED_TYPES = new Set([0x05, 0x0f, 0x85]);
export const PROTECTIVE_TYPE = 0xee;

interface Entry {
  readonly status: number;
  readonly type: number;
  /** Sectors, from a start that depends on the entry. */
  readonly start: number;
  readonly sectors: number;
}

/** The four primary entries of a boot sector, or undefined when it has no table. */
export function readBootSector(disk: ByteSource, offset = 0): readonly Entry[] | undefined {
  const sector = readIfThere(disk, offset, 512);
  if (sector === undefined || sector.readUInt16LE(510) !== 0xaa55) return undefined;
  const entries = [0, 1, 2, 3].map((i) => {
    const at = TABLE_OFFSET + i * ENTRY_BYTES;
    return { status: sector[at]!, type: sector[at + 4]!, start: sector.readUInt32LE(at + 8), sectors: sector.readUInt32LE(at + 12) };
  });
  // The boot sector of a FAT or NTFS volume has the same signature, and code where the table would be.
  const isTable = entries.every(({ status, type, sectors }) => (status === 0 || status === 0x80) && (type !== 0 || sectors === 0));
  return isTable ? entries : undefined;
}

/**
 * Primary partitions, and the logical ones of the first extended partition, each link of whose chain counts from the extended
 * partition's start. A chain that runs in a circle or out of its partition ends there.
 * @param sectorSize MBRs do not record it
 */
export function readMbr(disk: ByteSource, sectorSize: 512 | 4096): PartitionTable | undefined {
  const entries = readBootSector(disk);
  if (entries === undefined || entries.every(({ type, sectors }) => type === 0 || sectors === 0)) return undefined;
  const signature = disk.read(440, 4).readUInt32LE(0).toString(16).padStart(8, '0');
  const partitions: Partition[] = [];
  const add = (number: number, { type, sectors }: Entry, start: number): void => {
    partitions.push({
      number,
      offset: start * sectorSize,
      size: sectors * sectorSize,
      type: type.toString(16).padStart(2, '0'),
      uuid: `${signature}-${number.toString(16).padStart(2, '0')}`,
    });
  };
  for (const [i, entry] of entries.entries()) {
    if (entry.type !== 0 && entry.sectors !== 0 && !EXTENDED_TYPES.has(entry.type)) add(i + 1, entry, entry.start);
  }
  const extended = entries.find(({ type, sectors }) => EXTENDED_TYPES.has(type) && sectors !== 0);
  if (extended === undefined) return { kind: 'mbr', sectorSize, partitions };

  const seen = new Set<number>();
  let number = 5;
  let link = 0;
  while (!seen.has(link) && seen.size < MAX_PARTITIONS && link < extended.sectors) {
    seen.add(link);
    const at = extended.start + link;
    const chain = readBootSector(disk, at * sectorSize);
    if (chain === undefined) break;
    const logical = chain.find(({ type, sectors }) => type !== 0 && sectors !== 0 && !EXTENDED_TYPES.has(type));
    if (logical !== undefined) add(number++, logical, at + logical.start);
    const next = chain.find(({ type, sectors }) => EXTENDED_TYPES.has(type) && sectors !== 0);
    if (next === undefined) break;
    link = next.start;
  }
  return { kind: 'mbr', sectorSize, partitions };
}
