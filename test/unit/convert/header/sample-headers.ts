/** Disk image files of a few KiB, written here by the formats' specifications and not by the code under test. */

export interface Qcow2Sample {
  version?: number;
  backingOffset?: number;
  incompatible?: number;
  clusterBits?: number;
  virtualSize?: number;
  crypt?: number;
  l1Size?: number;
  extension?: { type: number; data: string };
  /** The L2 table's first entry. */
  l2Entry?: bigint;
}

/** Header, L1, L2 and one data cluster. */
export function qcow2({
  version = 3,
  backingOffset = 0,
  incompatible = 0,
  clusterBits = 9,
  virtualSize = 2 * 512,
  crypt = 0,
  l1Size = 1,
  extension,
  l2Entry,
}: Qcow2Sample = {}): Buffer {
  const cluster = 2 ** clusterBits;
  const file = Buffer.alloc(4 * cluster);
  file.write('QFI\xfb', 0, 'latin1');
  file.writeUInt32BE(version, 4);
  file.writeBigUInt64BE(BigInt(backingOffset), 8);
  file.writeUInt32BE(clusterBits, 20);
  file.writeBigUInt64BE(BigInt(virtualSize), 24);
  file.writeUInt32BE(crypt, 32);
  file.writeUInt32BE(l1Size, 36);
  file.writeBigUInt64BE(BigInt(cluster), 40);
  file.writeUInt32BE(incompatible, 76);
  file.writeUInt32BE(4, 96);
  file.writeUInt32BE(104, 100);
  if (extension !== undefined) {
    file.writeUInt32BE(extension.type, 104);
    file.writeUInt32BE(extension.data.length, 108);
    file.write(extension.data, 112);
  }
  file.writeBigUInt64BE(BigInt(2 * cluster), cluster);
  file.writeBigUInt64BE(l2Entry ?? BigInt(3 * cluster), 2 * cluster);
  return file;
}

/** Header, L1, L2 and one data cluster. */
export function qcow1({
  backingOffset = 0,
  crypt = 0,
  l2Entry = 1536n,
}: { backingOffset?: number; crypt?: number; l2Entry?: bigint } = {}): Buffer {
  const file = Buffer.alloc(2048);
  file.write('QFI\xfb', 0, 'latin1');
  file.writeUInt32BE(1, 4);
  file.writeBigUInt64BE(BigInt(backingOffset), 8);
  file.writeBigUInt64BE(1024n, 24);
  file[32] = 9;
  file[33] = 6;
  file.writeUInt32BE(crypt, 36);
  file.writeBigUInt64BE(48n, 40);
  file.writeBigUInt64BE(512n, 48);
  file.writeBigUInt64BE(l2Entry, 512);
  return file;
}

/** Header, L1, L2 and one data cluster, of 4 KiB each. */
export function qed({ features = 0, l2Entry = 12_288n }: { features?: number; l2Entry?: bigint } = {}): Buffer {
  const file = Buffer.alloc(16_384);
  file.write('QED\0', 0, 'latin1');
  for (const [i, value] of [4096, 1, 1, features].entries()) file.writeUInt32LE(value, 4 + i * 4);
  file.writeBigUInt64LE(4096n, 40);
  file.writeBigUInt64LE(8192n, 48);
  file.writeBigUInt64LE(8192n, 4096);
  file.writeBigUInt64LE(l2Entry, 8192);
  return file;
}

/** Header, table, and one cluster of 8 sectors. */
export function parallels({
  magic = 'WithoutFreeSpace',
  inUse = false,
  entry = magic.endsWith('Ext') ? 1 : 8,
}: { magic?: string; inUse?: boolean; entry?: number } = {}): Buffer {
  const file = Buffer.alloc(8192);
  file.write(magic, 0, 'latin1');
  for (const [offset, value] of [
    [16, 2],
    [28, 8],
    [32, 2],
    [36, 16],
    [44, inUse ? 0x746f_6e59 : 0],
    [64, entry],
  ] as const)
    file.writeUInt32LE(value, offset);
  return file;
}

export interface VmdkSample {
  capacity?: number;
  descriptor?: string;
  flags?: number;
  grain?: number;
}

export const VMDK_DESCRIPTOR =
  '# Disk DescriptorFile\nversion=1\nCID=123a\nparentCID=ffffffff\ncreateType="monolithicSparse"\nRW 128 SPARSE "disk.vmdk"\n';

/** Header, descriptor, grain directory, grain table, and one grain of 8 sectors. */
export function vmdk({ capacity = 128, descriptor = VMDK_DESCRIPTOR, flags = 3, grain = 8 }: VmdkSample = {}): Buffer {
  const file = Buffer.alloc(32 * 512);
  file.write('KDMV', 0);
  file.writeUInt32LE(1, 4);
  file.writeUInt32LE(flags, 8);
  file.writeBigUInt64LE(BigInt(capacity), 12);
  file.writeBigUInt64LE(BigInt(grain), 20);
  file.writeBigUInt64LE(descriptor === '' ? 0n : 1n, 28);
  file.writeBigUInt64LE(descriptor === '' ? 0n : 4n, 36);
  file.writeUInt32LE(512, 44);
  file.writeBigUInt64LE(8n, 56);
  file.write(descriptor, 512);
  file.writeUInt32LE(9, 8 * 512);
  file.writeUInt32LE(16, 9 * 512);
  return file;
}

export function vdi({
  type = 1,
  parent = false,
  virtualSize = 2 ** 20,
  block = 0,
}: { type?: number; parent?: boolean; virtualSize?: number; block?: number } = {}): Buffer {
  const file = Buffer.alloc(1024 + 2 ** 20);
  file.writeUInt32LE(0xbeda_107f, 0x40);
  file.writeUInt32LE(0x0001_0001, 0x44);
  file.writeUInt32LE(type, 0x4c);
  file.writeUInt32LE(512, 0x154);
  file.writeUInt32LE(1024, 0x158);
  file.writeUInt32LE(512, 0x168);
  file.writeBigUInt64LE(BigInt(virtualSize), 0x170);
  file.writeUInt32LE(2 ** 20, 0x178);
  file.writeUInt32LE(1, 0x180);
  if (parent) file.writeUInt32LE(7, 0x1a8);
  file.writeUInt32LE(block, 512);
  return file;
}

/** A dynamic or differencing VHD with one block of 4 KiB, or a fixed one. */
export function vhd({ type = 3, virtualSize = 4096, sector = 4 }: { type?: number; virtualSize?: number; sector?: number } = {}): Buffer {
  const footer = Buffer.alloc(512);
  footer.write('conectix', 0);
  footer.writeBigUInt64BE(type === 2 ? 2n ** 64n - 1n : 512n, 0x10);
  footer.writeBigUInt64BE(BigInt(virtualSize), 0x30);
  footer.writeUInt32BE(type, 0x3c);
  footer.writeUInt32BE(complementSum(footer), 0x40);
  if (type === 2) return Buffer.concat([Buffer.alloc(virtualSize), footer]);
  const header = Buffer.alloc(1024);
  header.write('cxsparse', 0);
  header.writeBigUInt64BE(1536n, 0x10);
  header.writeUInt32BE(1, 0x1c);
  header.writeUInt32BE(4096, 0x20);
  header.writeUInt32BE(complementSum(header), 0x24);
  const table = Buffer.alloc(512, 0xff);
  table.writeUInt32BE(sector, 0);
  return Buffer.concat([footer, header, table, Buffer.alloc(512 + 4096), footer]);
}

function complementSum(bytes: Buffer): number {
  return ~bytes.reduce((sum, byte) => sum + byte, 0) >>> 0;
}

const GUIDS = {
  bat: '6677c22d23f600429d64115e9bfd4a08',
  metadata: '06a27c8b90479a4bb8fe575f050f886e',
  fileParameters: '3767a1ca36fa434db3b633f0aa44e76b',
  virtualDiskSize: '2442a52f1bcd7648b2115dbed83bf4b8',
  logicalSectorSize: '1dbf41816fa90947ba47f233a8faab5f',
  parentLocator: '2d5fd3a80bb34d45abf7d3d84834ab0c',
};
const MIB = 2 ** 20;

export function vhdx({
  parentFlag = false,
  parentLocator = false,
  log = false,
  state = 6,
  virtualSize = MIB,
}: { parentFlag?: boolean; parentLocator?: boolean; log?: boolean; state?: number; virtualSize?: number } = {}): Buffer {
  const file = Buffer.alloc(4 * MIB);
  file.write('vhdxfile', 0);
  file.write('head', 64 * 1024);
  file.writeBigUInt64LE(1n, 64 * 1024 + 8);
  if (log) file.writeUInt32LE(9, 64 * 1024 + 48);
  const regions = 192 * 1024;
  file.write('regi', regions);
  file.writeUInt32LE(2, regions + 8);
  for (const [i, [id, offset]] of (
    [
      [GUIDS.bat, MIB],
      [GUIDS.metadata, 2 * MIB],
    ] as const
  ).entries()) {
    Buffer.from(id, 'hex').copy(file, regions + 16 + i * 32);
    file.writeBigUInt64LE(BigInt(offset), regions + 32 + i * 32);
    file.writeUInt32LE(MIB, regions + 40 + i * 32);
  }
  const table = 2 * MIB;
  file.write('metadata', table);
  const items: [string, Buffer][] = [
    [GUIDS.fileParameters, u32(MIB, parentFlag ? 2 : 0)],
    [GUIDS.virtualDiskSize, u64(virtualSize)],
    [GUIDS.logicalSectorSize, u32(512)],
    ...(parentLocator ? [[GUIDS.parentLocator, u32(0)] as [string, Buffer]] : []),
  ];
  file.writeUInt16LE(items.length, table + 10);
  for (const [i, [id, value]] of items.entries()) {
    Buffer.from(id, 'hex').copy(file, table + 32 + i * 32);
    file.writeUInt32LE(65_536 + i * 16, table + 48 + i * 32);
    file.writeUInt32LE(value.length, table + 52 + i * 32);
    value.copy(file, table + 65_536 + i * 16);
  }
  file.writeBigUInt64LE(BigInt(3 * MIB) + BigInt(state), MIB);
  return file;
}

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, i * 4);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
