import type { ByteSource } from './byte-source.ts';
import { checkTableBytes, checkVirtualSize, malformed, refersToHost, truncated, u64le, type ParseHeader } from './disk-header.ts';

/** [MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format. */
export const VHDX_SIGNATURE = 'vhdxfile';
const KIB = 1024;
const MIB = 1024 * 1024;
const HEADER_OFFSETS = [64 * KIB, 128 * KIB];
const REGION_TABLE_OFFSETS = [192 * KIB, 256 * KIB];
const MAX_REGIONS = 2047;
const MAX_ITEMS = 2047;
const METADATA_TABLE_BYTES = 64 * KIB;

const REGION = { bat: '2dc27766-f623-4200-9d64-115e9bfd4a08', metadata: '8b7ca206-4790-4b9a-b8fe-575f050f886e' } as const;
const ITEM = {
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  virtualDiskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  logicalSectorSize: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  parentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
} as const;
const HAS_PARENT = 2;
/** BAT entry states, [MS-VHDX] 2.5.1.1. */
const STATE = { fullyPresent: 6, partiallyPresent: 7 } as const;

export const parseVhdx: ParseHeader = (source, limits) => {
  if (source.size < MIB || source.read(0, 8).toString('latin1') !== VHDX_SIGNATURE)
    throw malformed('vhdx', 'its signature is missing, or it is cut short');
  checkLog(source);
  const regions = readRegions(source);
  const bat = regions.get(REGION.bat);
  const metadata = regions.get(REGION.metadata);
  if (bat === undefined || metadata === undefined) throw malformed('vhdx', 'its region table is damaged');

  const items = readItems(source, metadata.offset);
  if (items.has(ITEM.parentLocator)) throw refersToHost('vhdx', 'a parent disk');
  const parameters = readItem(source, metadata, items, ITEM.fileParameters, 8);
  if ((parameters.readUInt32LE(4) & HAS_PARENT) !== 0) throw refersToHost('vhdx', 'a parent disk');
  const blockBytes = parameters.readUInt32LE(0);
  if (blockBytes < MIB || blockBytes > 256 * MIB || (blockBytes & (blockBytes - 1)) !== 0)
    throw malformed('vhdx', `blocks of ${blockBytes} bytes`);
  const virtualSize = u64le(readItem(source, metadata, items, ITEM.virtualDiskSize, 8), 0);
  checkVirtualSize('vhdx', virtualSize, limits);
  const sectorSize = readItem(source, metadata, items, ITEM.logicalSectorSize, 4).readUInt32LE(0);
  if (sectorSize !== 512 && sectorSize !== 4096) throw malformed('vhdx', `sectors of ${sectorSize} bytes`);

  walkTable(source, bat, { blockBytes, sectorSize, virtualSize });
  return { format: 'vhdx', virtualSize, sectorSize, compressed: false, needsBacking: false };
};

/** A log that was not replayed holds newer metadata than the tables. */
function checkLog(source: ByteSource): void {
  const headers = HEADER_OFFSETS.map((offset) => source.read(offset, 4 * KIB)).filter((bytes) => bytes.toString('latin1', 0, 4) === 'head');
  if (headers.length === 0) throw malformed('vhdx', 'both of its headers are damaged');
  const active = headers.reduce((newest, header) => (u64le(header, 8) > u64le(newest, 8) ? header : newest));
  if (!active.subarray(48, 64).every((byte) => byte === 0))
    throw malformed('vhdx', 'it was not closed cleanly; replay its log with qemu-img check -r all on a copy');
}

interface Region {
  readonly offset: number;
  readonly length: number;
}

function readRegions(source: ByteSource): Map<string, Region> {
  for (const start of REGION_TABLE_OFFSETS) {
    const table = source.read(start, 64 * KIB);
    if (table.toString('latin1', 0, 4) !== 'regi') continue;
    const count = table.readUInt32LE(8);
    if (count > MAX_REGIONS) throw malformed('vhdx', `${count} regions`);
    const regions = new Map<string, Region>();
    for (let i = 0; i < count; i++) {
      const at = 16 + i * 32;
      regions.set(guid(table, at), { offset: u64le(table, at + 16), length: table.readUInt32LE(at + 24) });
    }
    return regions;
  }
  throw malformed('vhdx', 'both of its region tables are damaged');
}

function readItems(source: ByteSource, metadata: number): Map<string, Region> {
  const table = source.read(metadata, METADATA_TABLE_BYTES);
  if (table.toString('latin1', 0, 8) !== 'metadata') throw malformed('vhdx', 'its metadata table is damaged');
  const count = table.readUInt16LE(10);
  if (count > MAX_ITEMS) throw malformed('vhdx', `${count} metadata items`);
  const items = new Map<string, Region>();
  for (let i = 0; i < count; i++) {
    const at = 32 + i * 32;
    items.set(guid(table, at), { offset: table.readUInt32LE(at + 16), length: table.readUInt32LE(at + 20) });
  }
  return items;
}

function readItem(source: ByteSource, metadata: Region, items: Map<string, Region>, id: string, length: number): Buffer {
  const item = items.get(id);
  if (item === undefined || item.length < length) throw malformed('vhdx', `metadata item ${id} is missing`);
  return source.read(metadata.offset + item.offset, length);
}

function walkTable(source: ByteSource, bat: Region, disk: { blockBytes: number; sectorSize: number; virtualSize: number }): void {
  const blocks = Math.ceil(disk.virtualSize / disk.blockBytes);
  // After each chunk of payload entries comes one for the sector bitmap.
  const chunk = (2 ** 23 * disk.sectorSize) / disk.blockBytes;
  const entries = blocks + Math.floor((blocks - 1) / chunk);
  checkTableBytes('vhdx', entries * 8, source.size);
  if (entries * 8 > bat.length) throw malformed('vhdx', 'its block table is too small for its virtual size');
  const table = source.read(bat.offset, entries * 8);
  let block = 0;
  for (let i = 0; i < entries; i++) {
    if (i % (chunk + 1) === chunk) continue;
    block += 1;
    const state = table.readUInt32LE(i * 8) & 7;
    if (state === STATE.partiallyPresent) throw refersToHost('vhdx', 'a parent disk');
    if (state !== STATE.fullyPresent) continue;
    const start = Math.floor(u64le(table, i * 8) / MIB) * MIB;
    const end = block === blocks ? start + 1 : start + disk.blockBytes;
    if (end > source.size) throw truncated('vhdx', end, source.size);
  }
}

/** Mixed-endian, as Windows stores it. */
function guid(bytes: Buffer, at: number): string {
  const hex = (from: number, to: number): string => bytes.toString('hex', at + from, at + to);
  const swapped = (from: number, to: number): string =>
    Buffer.from(bytes.subarray(at + from, at + to))
      .reverse()
      .toString('hex');
  return `${swapped(0, 4)}-${swapped(4, 6)}-${swapped(6, 8)}-${hex(8, 10)}-${hex(10, 16)}`;
}
