import { crc32 } from 'node:zlib';

const LINUX = Buffer.from('af3dc60f838472478e793d69d8477de4', 'hex');

/** Writes one copy of a GPT with one partition of sectors 40 to 49, its entries behind the header, or before it where that is at the end. */
export function writeGpt(disk: Buffer, sectorSize: number, headerSector: number): void {
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

/** Writes entry `i` of the MBR, or of the boot record of an extended partition, in a sector of 512 bytes. */
export function writeMbrEntry(disk: Buffer, sector: number, i: number, type: number, start: number, sectors: number): void {
  const at = sector * 512 + 446 + i * 16;
  disk[at + 4] = type;
  disk.writeUInt32LE(start, at + 8);
  disk.writeUInt32LE(sectors, at + 12);
  disk.writeUInt16LE(0xaa55, sector * 512 + 510);
}

/** A primary partition, and two logical ones. */
export function writeMbr(disk: Buffer): void {
  writeMbrEntry(disk, 0, 0, 0x83, 10, 5);
  writeMbrEntry(disk, 0, 1, 0x05, 100, 100);
  writeMbrEntry(disk, 100, 0, 0x83, 2, 8);
  writeMbrEntry(disk, 100, 1, 0x05, 20, 20);
  writeMbrEntry(disk, 120, 0, 0x82, 2, 9);
}
