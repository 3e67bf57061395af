import { checkTableBytes, checkVirtualSize, malformed, truncated, u64le, type ParseHeader } from './disk-header.ts';

/** qemu's docs/interop/parallels.txt: an expanding disk, of which the second magic counts in clusters and not in sectors. */
export const PARALLELS_MAGICS = ['WithoutFreeSpace', 'WithouFreSpacExt'] as const;
const HEADER_BYTES = 64;
const VERSION = 2;
const IN_USE = 0x746f_6e59;
const SECTOR = 512;
const ENTRY_BYTES = 4;

export const parseParallels: ParseHeader = (source, limits) => {
  const header = source.read(0, Math.min(source.size, HEADER_BYTES));
  const magic = header.toString('latin1', 0, 16);
  if (header.length < HEADER_BYTES || !(PARALLELS_MAGICS as readonly string[]).includes(magic))
    throw malformed('parallels', 'its header is missing');
  if (header.readUInt32LE(16) !== VERSION) throw malformed('parallels', `version ${header.readUInt32LE(16)}, and only ${VERSION} is known`);
  const isExtended = magic === PARALLELS_MAGICS[1];
  const virtualSize = (isExtended ? u64le(header, 36) : header.readUInt32LE(36)) * SECTOR;
  checkVirtualSize('parallels', virtualSize, limits);
  if (header.readUInt32LE(44) === IN_USE) throw malformed('parallels', 'it is in use, or was not closed cleanly; shut the machine down');
  const clusterSectors = header.readUInt32LE(28);
  if (clusterSectors === 0 || clusterSectors > 1024 * 1024) throw malformed('parallels', `clusters of ${clusterSectors} sectors`);
  const entries = header.readUInt32LE(32);
  if (entries < Math.ceil(virtualSize / (clusterSectors * SECTOR)))
    throw malformed('parallels', 'its table is too small for its virtual size');
  checkTableBytes('parallels', entries * ENTRY_BYTES, source.size);
  const table = source.read(HEADER_BYTES, entries * ENTRY_BYTES);
  for (let i = 0; i < entries; i++) {
    const at = table.readUInt32LE(i * ENTRY_BYTES);
    if (at === 0) continue;
    const start = at * SECTOR * (isExtended ? clusterSectors : 1);
    // The last cluster may be written in part only.
    const end = start + (i >= Math.ceil(virtualSize / (clusterSectors * SECTOR)) - 1 ? 1 : clusterSectors * SECTOR);
    if (end > source.size) throw truncated('parallels', end, source.size);
  }
  return { format: 'parallels', virtualSize, compressed: false, needsBacking: false };
};
