import type { ByteSource } from './byte-source.ts';
import { checkTableBytes, checkVirtualSize, malformed, truncated, u64le, type ParseHeader } from './disk-header.ts';

/** qemu's docs/interop/qed_spec.txt. */
export const QED_MAGIC = 'QED\0';
const HEADER_BYTES = 64;
const FEATURE = { backingFile: 1, needsCheck: 2 } as const;
const KNOWN_FEATURES = 7;
const ENTRY_BYTES = 8;

export const parseQed: ParseHeader = (source, limits) => {
  const header = source.read(0, Math.min(source.size, HEADER_BYTES));
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, 4) !== QED_MAGIC) throw malformed('qed', 'its header is missing');
  const virtualSize = u64le(header, 48);
  checkVirtualSize('qed', virtualSize, limits);
  const clusterBytes = header.readUInt32LE(4);
  const tableClusters = header.readUInt32LE(8);
  if (clusterBytes < 4096 || clusterBytes > 64 * 1024 * 1024 || (clusterBytes & (clusterBytes - 1)) !== 0)
    throw malformed('qed', `clusters of ${clusterBytes} bytes`);
  if (tableClusters < 1 || tableClusters > 16 || (tableClusters & (tableClusters - 1)) !== 0)
    throw malformed('qed', `tables of ${tableClusters} clusters`);
  const features = u64le(header, 16);
  if (features > KNOWN_FEATURES) throw malformed('qed', 'it uses features that are not known here');
  if ((features & FEATURE.needsCheck) !== 0)
    throw malformed('qed', 'it was not closed cleanly; repair it with qemu-img check -f qed -r all');
  walkTables(source, u64le(header, 40), virtualSize, clusterBytes, tableClusters * clusterBytes);
  return { format: 'qed', virtualSize, compressed: false, needsBacking: (features & FEATURE.backingFile) !== 0 };
};

/** Checks that every cluster lies inside the file. 1 in place of an offset means zeros. */
function walkTables(source: ByteSource, l1Offset: number, virtualSize: number, clusterBytes: number, tableBytes: number): void {
  const entries = tableBytes / ENTRY_BYTES;
  const clusters = Math.ceil(virtualSize / clusterBytes);
  const used = Math.ceil(clusters / entries);
  if (used > entries) throw malformed('qed', 'its tables are too small for its virtual size');
  const l1 = source.read(l1Offset, used * ENTRY_BYTES);
  let tables = 0;
  for (let i = 0; i < used; i++) {
    const table = u64le(l1, i * ENTRY_BYTES);
    if (table === 0) continue;
    tables += 1;
    checkTableBytes('qed', tables * tableBytes, source.size);
    if (table + tableBytes > source.size) throw truncated('qed', table + tableBytes, source.size);
    const l2 = source.read(table, Math.min(entries, clusters - i * entries) * ENTRY_BYTES);
    for (let j = 0; j < l2.length; j += ENTRY_BYTES) {
      const offset = u64le(l2, j);
      if (offset > 1 && offset + clusterBytes > source.size) throw truncated('qed', offset + clusterBytes, source.size);
    }
  }
}
