import type { ByteSource } from './byte-source.ts';
import { checkTableBytes, checkVirtualSize, malformed, refersToHost, truncated, u64be, type ParseHeader } from './disk-header.ts';

/** "QFI\xfb"; all of this after qemu's docs/interop/qcow2.txt. */
export const QCOW2_MAGIC = 0x5146_49fb;
const HEADER_V2_BYTES = 72;
const HEADER_V3_BYTES = 104;
/** QCOW_MAX_L1_SIZE in qemu's block/qcow2.h. */
const MAX_L1_BYTES = 32 * 1024 * 1024;

const INCOMPATIBLE = { dirty: 1, corrupt: 2, dataFile: 4, compressionType: 8, extendedL2: 16 } as const;
const KNOWN_INCOMPATIBLE = 31;
const EXTENSION = { end: 0, dataFileName: 0x4441_5441, encryption: 0x0537_be77 } as const;

export const parseQcow2: ParseHeader = (source, limits) => {
  const start = source.read(0, Math.min(source.size, HEADER_V3_BYTES + 8));
  if (start.length < HEADER_V2_BYTES || start.readUInt32BE(0) !== QCOW2_MAGIC) throw malformed('qcow2', 'its header is missing');
  const version = start.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw malformed('qcow2', `version ${version}, and only 2 and 3 are known`);
  if (version === 3 && start.length < HEADER_V3_BYTES) throw malformed('qcow2', 'its header is cut short');

  const clusterBits = start.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) throw malformed('qcow2', `clusters of 2^${clusterBits} bytes`);
  const virtualSize = u64be(start, 24);
  checkVirtualSize('qcow2', virtualSize, limits);
  if (start.readUInt32BE(32) !== 0) throw malformed('qcow2', 'it is encrypted; decrypt it with qemu-img first');

  const incompatible = version === 3 ? start.readUInt32BE(76) : 0;
  if (version === 3 && (start.readUInt32BE(72) !== 0 || incompatible > KNOWN_INCOMPATIBLE))
    throw malformed('qcow2', 'it uses incompatible features that are not known here');
  if ((incompatible & INCOMPATIBLE.dataFile) !== 0) throw refersToHost('qcow2', 'an external data file');
  if ((incompatible & INCOMPATIBLE.corrupt) !== 0) throw malformed('qcow2', 'it is marked corrupt; repair it with qemu-img check -r all');
  const headerLength = version === 3 ? start.readUInt32BE(100) : HEADER_V2_BYTES;
  if (headerLength < (version === 3 ? HEADER_V3_BYTES : HEADER_V2_BYTES) || headerLength % 8 !== 0 || headerLength > 2 ** clusterBits)
    throw malformed('qcow2', `a header of ${headerLength} bytes`);
  checkExtensions(source, headerLength, 2 ** clusterBits);

  const needsBacking = u64be(start, 8) !== 0;
  const l1Entries = start.readUInt32BE(36);
  const compressed = walkTables(source, {
    clusterBits,
    virtualSize,
    l1Entries,
    l1Offset: u64be(start, 40),
    entryBytes: (incompatible & INCOMPATIBLE.extendedL2) === 0 ? 8 : 16,
    zeroFlag: version === 3,
  });
  return { format: 'qcow2', virtualSize, compressed, needsBacking };
};

function checkExtensions(source: ByteSource, start: number, clusterBytes: number): void {
  const bytes = source.read(0, Math.min(source.size, clusterBytes));
  for (let at = start; at + 8 <= bytes.length;) {
    const type = bytes.readUInt32BE(at);
    const length = bytes.readUInt32BE(at + 4);
    if (type === EXTENSION.end) return;
    if (type === EXTENSION.dataFileName) throw refersToHost('qcow2', 'an external data file');
    if (type === EXTENSION.encryption) throw malformed('qcow2', 'it is encrypted; decrypt it with qemu-img first');
    at += 8 + Math.ceil(length / 8) * 8;
    if (at > bytes.length) throw malformed('qcow2', 'a header extension is longer than the first cluster');
  }
}

interface Tables {
  readonly clusterBits: number;
  readonly virtualSize: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  /** 16 with extended L2 entries, else 8. */
  readonly entryBytes: number;
  /** Whether bit 0 of an L2 entry says "reads as zeros". */
  readonly zeroFlag: boolean;
}

/**
 * Checks that every cluster lies inside the file: qemu reads zeros beyond its end, so that a truncated copy would silently give an
 * image with holes. Says whether a cluster is compressed.
 */
function walkTables(source: ByteSource, { clusterBits, virtualSize, l1Entries, l1Offset, entryBytes, zeroFlag }: Tables): boolean {
  const clusterBytes = 2 ** clusterBits;
  const clustersPerTable = clusterBytes / entryBytes;
  const clusters = Math.ceil(virtualSize / clusterBytes);
  const needed = Math.ceil(clusters / clustersPerTable);
  if (l1Entries * 8 > MAX_L1_BYTES || needed * 8 > MAX_L1_BYTES)
    throw malformed('qcow2', `an L1 table of ${Math.max(l1Entries, needed)} entries`);
  if (l1Entries < needed) throw malformed('qcow2', 'its L1 table is too small for its virtual size');
  if (l1Offset % clusterBytes !== 0) throw malformed('qcow2', 'its L1 table is not aligned');
  const l1 = source.read(l1Offset, needed * 8);

  let tables = 0;
  let compressed = false;
  for (let i = 0; i < needed; i++) {
    const table = clusterOffset(l1, i * 8);
    if (table === 0) continue;
    if (table % clusterBytes !== 0) throw malformed('qcow2', 'an L2 table is not aligned');
    tables += 1;
    // Many entries that point at one table would let a small file ask for hours of reading.
    checkTableBytes('qcow2', tables * clusterBytes, source.size);
    if (table + clusterBytes > source.size) throw truncated('qcow2', table + clusterBytes, source.size);
    const l2 = source.read(table, clusterBytes);
    for (let j = 0; j < clustersPerTable; j++) {
      const high = l2.readUInt32BE(j * entryBytes);
      const low = l2.readUInt32BE(j * entryBytes + 4);
      if (high === 0 && low === 0) continue;
      if ((high & 0x4000_0000) !== 0) {
        compressed = true;
        const start = compressedStart(high, low, clusterBits);
        if (start >= source.size) throw truncated('qcow2', start, source.size);
        continue;
      }
      if (zeroFlag && entryBytes === 8 && (low & 1) !== 0) continue;
      const data = clusterOffset(l2, j * entryBytes);
      if (data === 0) continue;
      if (data % clusterBytes !== 0) throw malformed('qcow2', 'a cluster is not aligned');
      // The virtual disk's last cluster may be written in part only.
      const isLast = i * clustersPerTable + j >= clusters - 1;
      const end = isLast ? data + 1 : data + clusterBytes;
      if (end > source.size) throw truncated('qcow2', end, source.size);
    }
  }
  return compressed;
}

/** Bits 9 to 55 of an entry. */
function clusterOffset(bytes: Buffer, at: number): number {
  return (bytes.readUInt32BE(at) & 0x00ff_ffff) * 2 ** 32 + ((bytes.readUInt32BE(at + 4) & 0xffff_fe00) >>> 0);
}

/** A compressed cluster's first byte; its length in sectors is rounded up, past the end of the file for the last one. */
function compressedStart(high: number, low: number, clusterBits: number): number {
  const offsetBits = 62 - (clusterBits - 8);
  return (high % 2 ** (offsetBits - 32)) * 2 ** 32 + low;
}
