import type { ByteSource } from './byte-source.ts';
import { checkTableBytes, checkVirtualSize, malformed, truncated, u64be, type ParseHeader } from './disk-header.ts';
import { QCOW2_MAGIC } from './qcow2.ts';

/** The first qcow; qemu's block/qcow.c. */
const HEADER_BYTES = 48;
const MAX_L1_ENTRIES = 4 * 1024 * 1024;
const ENTRY_BYTES = 8;

export const parseQcow1: ParseHeader = (source, limits) => {
  const header = source.read(0, Math.min(source.size, HEADER_BYTES));
  if (header.length < HEADER_BYTES || header.readUInt32BE(0) !== QCOW2_MAGIC || header.readUInt32BE(4) !== 1)
    throw malformed('qcow', 'its header is missing');
  const virtualSize = u64be(header, 24);
  checkVirtualSize('qcow', virtualSize, limits);
  const [clusterBits, l2Bits] = [header[32]!, header[33]!];
  if (clusterBits < 9 || clusterBits > 16) throw malformed('qcow', `clusters of 2^${clusterBits} bytes`);
  if (l2Bits < 6 || l2Bits > 13) throw malformed('qcow', `tables of 2^${l2Bits} entries`);
  if (header.readUInt32BE(36) !== 0) throw malformed('qcow', 'it is encrypted; decrypt it with qemu-img first');
  const entries = Math.ceil(virtualSize / 2 ** (clusterBits + l2Bits));
  if (entries > MAX_L1_ENTRIES) throw malformed('qcow', `an L1 table of ${entries} entries`);
  const compressed = walkTables(source, u64be(header, 40), entries, clusterBits, l2Bits);
  return { format: 'qcow', virtualSize, compressed, needsBacking: u64be(header, 8) !== 0 };
};

/** Checks that every cluster lies inside the file, beyond whose end qemu reads zeros. Says whether one is compressed. */
function walkTables(source: ByteSource, l1Offset: number, entries: number, clusterBits: number, l2Bits: number): boolean {
  const tableBytes = 2 ** l2Bits * ENTRY_BYTES;
  const l1 = source.read(l1Offset, entries * ENTRY_BYTES);
  let tables = 0;
  let compressed = false;
  for (let i = 0; i < entries; i++) {
    const table = u64be(l1, i * ENTRY_BYTES);
    if (table === 0) continue;
    tables += 1;
    checkTableBytes('qcow', tables * tableBytes, source.size);
    if (table + tableBytes > source.size) throw truncated('qcow', table + tableBytes, source.size);
    const l2 = source.read(table, tableBytes);
    for (let j = 0; j < tableBytes; j += ENTRY_BYTES) {
      const high = l2.readUInt32BE(j);
      if (high === 0 && l2.readUInt32BE(j + 4) === 0) continue;
      const isCompressed = (high & 0x8000_0000) !== 0;
      compressed ||= isCompressed;
      // A compressed cluster has its length in the bits above its offset.
      const offset = isCompressed ? (high % 2 ** (31 - clusterBits)) * 2 ** 32 + l2.readUInt32BE(j + 4) : u64be(l2, j);
      const end = offset + (isCompressed ? 1 : 2 ** clusterBits);
      if (end > source.size) throw truncated('qcow', end, source.size);
    }
  }
  return compressed;
}
