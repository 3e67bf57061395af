import type { ByteSource } from '../header/byte-source.ts';
import { readGpt } from './gpt.ts';
import { PROTECTIVE_TYPE, readBootSector, readMbr } from './mbr.ts';
import type { PartitionTable } from './partition.ts';

/**
 * Reads a disk's partitions here rather than through the kernel, whose loop devices may silently show none.
 * @param sectorSize where the disk format records it; a GPT says it itself
 */
export function readPartitionTable(disk: ByteSource, sectorSize: 512 | 4096 = 512): PartitionTable {
  const isProtective = readBootSector(disk)?.some(({ type }) => type === PROTECTIVE_TYPE) ?? false;
  return readGpt(disk, isProtective) ?? readMbr(disk, sectorSize) ?? { kind: 'none', sectorSize, partitions: [] };
}
